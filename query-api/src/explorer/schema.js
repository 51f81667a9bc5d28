// The schema as documentation, from introspection.

const NAMED = "kind name";
const OF = `{ ${NAMED} ofType { ${NAMED} ofType { ${NAMED} ofType { ${NAMED} } } } }`;
const QUESTION = `{ __schema {
  queryType { name } subscriptionType { name }
  types { kind name description
    fields { name description args { name description defaultValue type ${OF} } type ${OF} }
    inputFields { name description defaultValue type ${OF} }
    enumValues { name description } possibleTypes { name } } } }`;

export function nameOf(type) {
  return type.ofType ? nameOf(type.ofType) : type.name;
}

function written(type) {
  if (type.kind === "NON_NULL") { return `${written(type.ofType)}!`; }
  return type.kind === "LIST" ? `[${written(type.ofType)}]` : type.name;
}

function element(tag, text, ...children) {
  const made = document.createElement(tag);
  if (text) { made.textContent = text; }
  made.append(...children);
  return made;
}

function link(type, show) {
  const button = element("button", written(type));
  button.type = "button";
  button.addEventListener("click", () => show(nameOf(type)));
  return button;
}

function described(name, item, show) {
  const line = element("dt", name);
  const args = item.args ?? [];
  if (args.length) {
    line.append("(");
    args.forEach((arg, index) => line.append(index ? ", " : "", `${arg.name}: `, link(arg.type, show)));
    line.append(")");
  }
  if (item.type) { line.append(": ", link(item.type, show)); }
  if (item.defaultValue) { line.append(` = ${item.defaultValue}`); }
  return item.description ? [line, element("dd", item.description)] : [line];
}

function members(type) {
  return type.fields ?? type.inputFields ?? type.enumValues ?? [];
}

function page(type, show) {
  const all = element("dl", "");
  members(type).forEach((item) => all.append(...described(item.name, item, show)));
  const kinds = (type.possibleTypes ?? []).map((it) => it.name).join(", ");
  return [
    element("h2", type.name),
    element("p", [type.description, kinds && `One of ${kinds}.`].filter(Boolean).join(" ")),
    all,
  ];
}

/// Shows the schema, and gives it: by name, and the types where questions begin.
export async function showSchema(place, search, headers) {
  const response = await fetch("/graphql", {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ query: QUESTION }),
  });
  const schema = (await response.json()).data?.__schema;
  if (!schema) {
    place.replaceChildren(element("p", "The schema is not told here."));
    return { types: new Map(), roots: {} };
  }
  const types = new Map(schema.types.filter((it) => !it.name.startsWith("__")).map((it) => [it.name, it]));
  const roots = { query: schema.queryType?.name, subscription: schema.subscriptionType?.name };
  const show = (name) => {
    const type = types.get(name);
    if (type) { place.replaceChildren(index(), ...page(type, show)); place.scrollTop = 0; }
  };
  const index = () => {
    const line = element("p", "");
    [roots.query, roots.subscription].filter(Boolean)
      .forEach((name) => line.append(link({ name }, show), " "));
    return line;
  };
  search.addEventListener("input", () => {
    const text = search.value.trim().toLowerCase();
    if (!text) { show(roots.query); return; }
    const found = element("dl", "");
    for (const type of types.values()) {
      for (const item of members(type)) {
        if (`${type.name}.${item.name}`.toLowerCase().includes(text)) {
          const lines = described(`.${item.name}`, item, show);
          lines[0].prepend(link({ name: type.name }, show));
          found.append(...lines);
        }
      }
    }
    place.replaceChildren(found);
  });
  show(roots.query);
  return { types, roots };
}
