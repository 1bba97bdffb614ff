{{- define "turnbuckle.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* Short enough for the longest suffix, and for a Service's name. */}}
{{- define "turnbuckle.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "turnbuckle.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "turnbuckle.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "turnbuckle.selector" -}}
app.kubernetes.io/name: {{ include "turnbuckle.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "turnbuckle.labels" -}}
{{ include "turnbuckle.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "turnbuckle.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "turnbuckle.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name is needed where serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "turnbuckle.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}
{{- end }}

{{/* Where browsers come; empty where nobody has said. */}}
{{- define "turnbuckle.publicUrl" -}}
{{- if .Values.publicUrl -}}
{{ .Values.publicUrl }}
{{- else if and .Values.ingress.enabled .Values.ingress.host -}}
https://{{ .Values.ingress.host }}
{{- end }}
{{- end }}

{{/* The key of a role in the values. */}}
{{- define "turnbuckle.key" -}}
{{- if eq . "control-plane" }}controlPlane{{ else }}{{ . }}{{ end }}
{{- end }}
