/* What is set once for an extension: a fold in its card, asked for when it is opened. */
"use strict";
(() => {
  const { node } = darkroom;
  const STEPS = { integer: "1", number: "any" };

  darkroom.ownSettings = ({ id, name }) => {
    const fold = node("details", "dk-ext-settings"), said = node("p", "dk-ext-facts"), rows = node("div", "");
    const address = `api/v1/extensions/${encodeURIComponent(id)}/settings`;
    said.setAttribute("role", "status");
    fold.append(node("summary", "", "Settings"), rows, said);
    fold.firstChild.setAttribute("aria-label", `Settings of ${name}`);

    fold.addEventListener("toggle", async () => {
      if (!fold.open || rows.children.length) return;
      try { draw(await darkroom.send("GET", address)); } catch (error) { said.textContent = error.message; }
    });

    function draw({ pages }) {
      rows.replaceChildren(...pages.flatMap((page) => [
        ...(pages.length > 1 ? [node("h4", "dk-ext-name", page.title)] : []),
        ...(page.help ? [node("p", "dk-ext-facts", page.help)] : []),
        ...page.fields.map(row),
      ]));
    }

    function row(field) {
      const line = node("label", "dk-ext-setting"), text = node("span", "");
      const [box, read] = input(field);
      text.append(node("span", "dk-ext-label", field.label), node("small", "", field.help));
      line.append(text, box);
      box.dataset.name = field.name;
      box.addEventListener("change", async () => {
        said.textContent = "";
        try {
          const { values } = await darkroom.send("PATCH", address, { [field.name]: read() });
          field.value = values[field.name];
          box.removeAttribute("aria-invalid");
          said.textContent = `${field.label}: kept.`;
        } catch (error) {
          box.setAttribute("aria-invalid", "true");
          said.textContent = error.message;
        }
      });
      return line;
    }
    return fold;
  };

  /* [the element, what it says]. */
  function input({ kind, value, choices, minimum, maximum }) {
    if (kind === "choice") {
      const box = node("select", "");
      box.append(...choices.map((each) => new Option(each, each, false, each === value)));
      return [box, () => box.value];
    }
    const box = Object.assign(document.createElement("input"), { type: { flag: "checkbox", text: "text" }[kind] ?? "number" });
    if (kind === "flag") { box.checked = value; return [box, () => box.checked]; }
    box.value = value;
    if (kind === "text") return [box, () => box.value];
    Object.assign(box, { min: minimum, max: maximum, step: STEPS[kind] });
    return [box, () => (box.value === "" ? box.value : Number(box.value))];
  }
})();
