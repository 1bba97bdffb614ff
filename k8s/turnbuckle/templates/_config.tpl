{{/* The file of a role. Takes (dict "root" $ "role" ROLE). */}}
{{- define "turnbuckle.config" -}}
{{- $root := .root -}}
{{- $fullname := include "turnbuckle.fullname" $root -}}
{{- $hosts := $root.Values.allowedHosts -}}
{{- if and $root.Values.ingress.enabled $root.Values.ingress.host -}}
{{- $hosts = append $hosts $root.Values.ingress.host | uniq -}}
{{- end -}}
{{- if eq .role "control-plane" -}}
listen = "0.0.0.0:8001"
grpc_listen = "0.0.0.0:9090"
fabric_listen = "0.0.0.0:9100"
{{- else if eq .role "gateway" }}
listen = "0.0.0.0:8000"
{{- else }}
listen = "0.0.0.0:9300"
{{- end }}
admin_listen = "0.0.0.0:9000"
{{- if eq .role "control-plane" }}
database_url_file = "/run/secrets/turnbuckle/database/url"
root_key_file = "/run/turnbuckle/root.key"
admin_key_file = "/var/lib/turnbuckle/admin.key"
{{- else }}
control_planes = ["{{ $fullname }}-control-plane.{{ $root.Release.Namespace }}.svc:9100"]
state_dir = "/var/lib/turnbuckle"
{{- end }}
{{- if ne .role "worker" }}
{{- $service := printf "%s-%s" $fullname .role }}
{{- $inside := list $service (printf "%s.%s" $service $root.Release.Namespace) (printf "%s.%s.svc" $service $root.Release.Namespace) }}
allowed_hosts = {{ concat $inside $hosts | uniq | toJson }}
allowed_origins = {{ $root.Values.allowedOrigins | toJson }}
{{- end }}

[log]
format = {{ $root.Values.log.format | toJson }}
filter = {{ $root.Values.log.filter | toJson }}

[http]
drain = {{ int $root.Values.drainSeconds }}

[trust]
ca = "/run/secrets/turnbuckle/certificates/ca.crt"
cert = "/run/secrets/turnbuckle/certificates/tls.crt"
key = "/run/secrets/turnbuckle/certificates/tls.key"
{{- if and (eq .role "control-plane") $root.Values.nats.servers }}

[nats]
servers = {{ $root.Values.nats.servers | toJson }}
subject = {{ $root.Values.nats.subject | toJson }}
{{- if $root.Values.secrets.nats.name }}
credentials = "/run/secrets/turnbuckle/nats/credentials"
{{- end }}
{{- end }}
{{- with (index $root.Values (include "turnbuckle.key" .role)).settings }}

{{ . }}
{{- end }}
{{- end }}
