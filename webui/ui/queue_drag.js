/* Dragging a row of the queue, or a fold of the form, by its handle, with mouse, pen or finger; Escape puts
   it back. `moved(id, {before or after: another's id})`. */
"use strict";
darkroom.dragRows = (root, list, moved, row = "li", grip = ".dk-row-handle") => {
  const FAR = 4; // pixels before it is a drag and not a click
  let drag = null; // {id, item, y, on, target, side}

  // as they are seen, which is not always how they stand in the page
  const items = () => [...list.children].filter((each) => each.matches(row))
    .map((each) => [each.getBoundingClientRect().top, each]).sort(([one], [other]) => one - other).map(([, each]) => each);

  function over(y) {
    const others = items().filter((each) => each !== drag.item);
    const below = others.find((each) => { const box = each.getBoundingClientRect(); return y < box.top + box.height / 2; });
    return below ? [below, "before"] : [others.at(-1), "after"];
  }

  function mark() {
    for (const each of items()) delete each.dataset.drop;
    if (drag?.on && drag.target) drag.target.dataset.drop = drag.side;
  }

  function end() {
    if (!drag) return;
    drag.item.classList.remove("dk-dragged");
    drag.item.style.transform = "";
    drag = null;
    root.dataset.dragging = "no";
    mark();
  }

  list.addEventListener("pointerdown", (event) => {
    const handle = event.target.closest(grip);
    if (!handle || event.button !== 0) return;
    const item = handle.closest(row);
    drag = { id: item.dataset.id, item, y: event.clientY, on: false, target: null, side: "before" };
    handle.setPointerCapture(event.pointerId);
  });

  list.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const far = event.clientY - drag.y;
    if (!drag.on && Math.abs(far) < FAR) return;
    if (!drag.on) {
      drag.on = true;
      root.dataset.dragging = "yes"; // nothing is redrawn under the hand
      drag.item.classList.add("dk-dragged");
    }
    drag.item.style.transform = `translateY(${far}px)`;
    [drag.target, drag.side] = over(event.clientY);
    const box = list.getBoundingClientRect();
    if (event.clientY < box.top + 24) list.scrollBy(0, -12);
    else if (event.clientY > box.bottom - 24) list.scrollBy(0, 12);
    mark();
  });

  list.addEventListener("pointerup", () => {
    const { id, on, target, side } = drag ?? {};
    end();
    if (on && target) moved(id, { [side]: target.dataset.id });
  });
  list.addEventListener("pointercancel", end);
  // page.js leaves Escape to what is open, and a row in the hand is
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") end(); });
};
