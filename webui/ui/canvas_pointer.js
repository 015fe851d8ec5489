/* Mouse, pen, fingers, wheel and keys over a drawing.

   One finger, the pen and the left button draw; two fingers, the middle button and the left one with
   Space held move the picture; the right button erases with what otherwise paints. */
"use strict";
(() => {
  const NEW_GESTURE = 400; // ms: a wheel that began to turn beside the drawing goes on scrolling the page
  const MOVING = /^(Arrow|Enter|Tab)/;
  let scrolled = 0; // when the wheel last turned beside any drawing
  document.addEventListener("wheel", (event) => {
    if (!event.target.closest?.(".dk-canvas-view")) scrolled = event.timeStamp;
  }, { passive: true, capture: true });

  /* `layer()` is what is drawn on, null if there is no picture; `pick(point)` takes a colour up. */
  darkroom.canvasPointer = (box, { view, hand, settings, layer, pick, resize, brush }) => {
    const fingers = new Map(); // pointerId -> where it is in the view
    let doing = null; // "draw", "pan", "pinch", "wait" (until all fingers are up)
    let drawing = null; // the pointerId that draws
    let space = false;
    let origin = { left: 0, top: 0 };

    const where = (event) => ({ x: event.clientX - origin.left, y: event.clientY - origin.top });

    function point(event) {
      const at = where(event);
      return { ...view.toPicture(at.x, at.y), pressure: event.pointerType === "pen" ? event.pressure : 0 };
    }

    box.addEventListener("contextmenu", (event) => { if (layer()) event.preventDefault(); });

    box.addEventListener("pointerdown", (event) => {
      if (!layer() || event.target.closest("button, .dk-canvas-handle")) return;
      event.preventDefault(); // no selection, no drag, no scrolling by the middle button
      box.dataset.pointed = "yes"; // who draws with the mouse needs no ring around it
      box.focus({ preventScroll: true });
      origin = box.getBoundingClientRect();
      fingers.set(event.pointerId, where(event));
      try { box.setPointerCapture(event.pointerId); } catch { /* it is up already */ }
      if (event.pointerType === "touch" && fingers.size > 1) return pinch();
      if (doing) return;
      if (settings.tool === "pan" || space || event.button === 1) doing = "pan";
      else if (settings.tool === "dropper" || (event.altKey && layer().kind === "paint")) return pick(point(event));
      else draw(event);
      box.dataset.doing = doing ?? "";
    });

    function draw(event) {
      if (event.button > 2 && event.button !== 5) return;
      doing = "draw";
      drawing = event.pointerId;
      if (event.pointerType === "pen") box.closest(".dk-canvas").dataset.pen = "yes";
      const erases = event.button === 2 || event.button === 5; // 5: the other end of a pen
      hand.down(point(event), { layer: layer(), erases, line: event.shiftKey });
    }

    /* What the first finger has begun was no stroke. */
    function pinch() {
      hand.cancel();
      doing = "pinch";
    }

    box.addEventListener("pointermove", (event) => {
      const at = where(event);
      if (!doing) origin = box.getBoundingClientRect();
      brush(event.pointerType === "touch" && doing !== "draw" ? null : where(event), event.pressure);
      const before = fingers.get(event.pointerId);
      if (!before) return;
      if (doing === "draw" && event.pointerId === drawing) {
        const passed = event.getCoalescedEvents?.() ?? [];
        hand.move((passed.length ? passed : [event]).map(point));
      } else if (doing === "pan") {
        view.pan(at.x - before.x, at.y - before.y);
      } else if (doing === "pinch") {
        stretch(event.pointerId, before, at);
      }
      fingers.set(event.pointerId, at);
    });

    /* What lay under the two fingers stays under them. */
    function stretch(id, before, now) {
      const other = [...fingers].find(([each]) => each !== id)?.[1];
      if (!other || fingers.size > 2) return;
      const middle = (one) => ({ x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 });
      const far = (one) => Math.max(1, Math.hypot(one.x - other.x, one.y - other.y));
      view.pan(middle(now).x - middle(before).x, middle(now).y - middle(before).y);
      view.zoom(far(now) / far(before), middle(now).x, middle(now).y);
    }

    function lifted(event) {
      if (!fingers.delete(event.pointerId)) return;
      if (doing === "draw" && event.pointerId === drawing) {
        if (event.type === "pointercancel") hand.cancel();
        else hand.up();
      }
      doing = fingers.size ? (doing === "pinch" ? "wait" : doing) : null;
      if (event.pointerType === "touch") brush(null);
      box.dataset.doing = doing ?? "";
    }
    for (const name of ["pointerup", "pointercancel"]) box.addEventListener(name, lifted);
    box.addEventListener("pointerleave", () => brush(null));

    box.addEventListener("wheel", (event) => {
      if (!layer()) return;
      if (!event.ctrlKey && event.timeStamp - scrolled < NEW_GESTURE) { scrolled = event.timeStamp; return; }
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 16 : 1;
      const turned = (event.deltaY || event.deltaX) * lines; // Shift turns it sideways
      if (event.shiftKey) return resize(turned < 0 ? 1 : -1);
      origin = box.getBoundingClientRect();
      const at = where(event);
      view.zoom(Math.exp(-turned * (event.ctrlKey ? 0.01 : 0.0016)), at.x, at.y); // Ctrl: two fingers on a touchpad
    }, { passive: false });

    box.addEventListener("keydown", (event) => {
      if (MOVING.test(event.key)) box.dataset.pointed = "no";
      if (event.code !== "Space" || event.target !== box) return;
      event.preventDefault();
      space = true;
      box.dataset.doing = "pan";
    });
    function release() {
      space = false;
      if (!doing) box.dataset.doing = "";
    }
    box.addEventListener("keyup", (event) => { if (event.code === "Space") release(); });
    box.addEventListener("blur", release);
  };

  /* Drawing without a pointer: arrows move the brush, Enter sets it down and takes it up. */
  darkroom.canvasKeyboard = (box, { view, hand, settings, layer, pick, brush, say }) => {
    const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    let at = null; // pixels of the picture

    const show = () => { const seen = view.toView(at.x, at.y); brush(seen); };

    box.addEventListener("pointerdown", () => { at = null; });
    box.addEventListener("keydown", (event) => {
      if (!layer() || event.target !== box || event.ctrlKey || event.metaKey || event.altKey) return;
      const move = MOVES[event.key];
      if (!move && event.key !== "Enter" && event.key !== "Escape") return;
      if (event.key === "Escape" && !hand.busy) return;
      event.preventDefault();
      event.stopPropagation();
      at ??= view.toPicture(view.size.width / 2, view.size.height / 2);
      if (move) step(move, event.shiftKey);
      else if (event.key === "Escape") { hand.cancel(); say("The stroke is dropped."); }
      else press();
      box.dataset.dragging = hand.busy ? "yes" : ""; // Escape is ours as long
      show();
    });

    function step([x, y], finely) {
      const by = finely ? 1 : Math.max(1, Math.round(settings.size / 4));
      const { surface } = layer();
      at = { x: Math.min(surface.width, Math.max(0, at.x + x * by)), y: Math.min(surface.height, Math.max(0, at.y + y * by)) };
      if (hand.busy) hand.move([at]);
      else say(`${Math.round(at.x)}, ${Math.round(at.y)}`);
    }

    function press() {
      if (settings.tool === "dropper") return pick(at);
      if (hand.busy) { hand.up(); return; }
      if (settings.tool === "pan") return;
      hand.down(at, { layer: layer() });
      say("Drawing: arrows move, Enter ends the stroke, Escape drops it.");
    }
  };
})();
