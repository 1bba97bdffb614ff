// JSON as it stands: members of objects as text, nothing parsed and written anew.

const SPACE = /[ \t\r\n]/;

function endOfString(text, start) {
  for (let at = start + 1; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '"') return at + 1;
  }
  throw new SyntaxError(`a string without end: ${text.slice(start, start + 40)}`);
}

function endOfValue(text, start) {
  let at = start;
  let depth = 0;
  do {
    if (at >= text.length) throw new SyntaxError(`a value without end: ${text.slice(start, 40)}`);
    if (text[at] === '"') at = endOfString(text, at);
    else {
      if (text[at] === '{' || text[at] === '[') depth += 1;
      if (text[at] === '}' || text[at] === ']') depth -= 1;
      at += 1;
      if (depth === 0 && !'}]'.includes(text[at - 1])) {
        while (at < text.length && !SPACE.test(text[at]) && !',}]'.includes(text[at])) at += 1;
      }
    }
  } while (depth > 0);
  return at;
}

/** The members of an object, in order: `[name, text of the value]`. */
export function members(object) {
  const found = [];
  let at = object.indexOf('{') + 1;
  const skip = () => {
    while (at < object.length && (SPACE.test(object[at]) || object[at] === ',')) at += 1;
  };
  for (skip(); object[at] !== '}'; skip()) {
    const nameEnd = endOfString(object, at);
    const name = JSON.parse(object.slice(at, nameEnd));
    at = object.indexOf(':', nameEnd) + 1;
    skip();
    const end = endOfValue(object, at);
    found.push([name, object.slice(at, end)]);
    at = end;
  }
  return found;
}

/** The elements of an array. */
export function elements(array) {
  const found = [];
  let at = array.indexOf('[') + 1;
  for (;;) {
    while (SPACE.test(array[at]) || array[at] === ',') at += 1;
    if (array[at] === ']') return found;
    const end = endOfValue(array, at);
    found.push(array.slice(at, end));
    at = end;
  }
}

/** The text of what is at a path of members; `undefined` when it is not there. */
export function member(object, ...path) {
  let value = object;
  for (const name of path) {
    if (value === undefined || !value.trimStart().startsWith('{')) return undefined;
    value = members(value).find(([it]) => it === name)?.[1];
  }
  return value;
}

/** An object of members; its values stay as they are. */
export const object = (list) =>
  `{${list.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`;
