// What a visitor draws with a tool is seen while they draw: a trace, and the size of the brush. Sent to every page.
(() => {
  const self = window.semsplat;
  if (!self || self.tool) return;
  const PLUS = "#21a366", MINUS = "#d6453d";
  const TRACED = ["stroke", "brush", "lasso"];
  let kind = null, radius = 0, negative = false; // radius: share of the picture's height
  let trace = null, pointer = null, at = null; // points of the trace and the cursor, in pixels of the page

  const paper = document.createElement("canvas");
  paper.id = "semsplat-trace";
  paper.style.cssText = "position:fixed;pointer-events:none;z-index:1;display:none";
  document.body.append(paper);

  const scene = () => document.querySelector("canvas[data-engine]");
  const onScene = (event) => {
    const picture = scene();
    return picture && event.target instanceof Element && (event.target === picture || event.target.contains(picture) ||
      (event.target instanceof HTMLCanvasElement && event.target.parentElement.contains(picture)));
  };
  const minus = (event) => event.ctrlKey || event.metaKey || (negative && kind === "stroke");

  const draw = (event) => {
    const picture = scene();
    if (!picture || (!trace && !at)) return void (paper.style.display = "none");
    const box = picture.getBoundingClientRect(), ink = paper.getContext("2d");
    Object.assign(paper.style, { left: `${box.left}px`, top: `${box.top}px`, display: "block" });
    [paper.width, paper.height] = [box.width, box.height];
    ink.translate(-box.left, -box.top);
    ink.strokeStyle = ink.fillStyle = minus(event) ? MINUS : PLUS;
    [ink.lineCap, ink.lineJoin] = ["round", "round"];
    const size = radius * box.height;
    if (trace) {
      ink.beginPath();
      trace.forEach(([x, y]) => ink.lineTo(x, y));
      if (kind === "lasso") {
        ink.globalAlpha = 0.2;
        ink.fill("evenodd");
        ink.closePath();
      }
      ink.globalAlpha = kind === "lasso" ? 1 : 0.5;
      ink.lineWidth = kind === "lasso" ? 2 : Math.max(2, 2 * size);
      ink.stroke();
    }
    if (at && kind !== "lasso") {
      ink.globalAlpha = 1;
      ink.lineWidth = 1.5;
      ink.beginPath();
      ink.arc(at[0], at[1], Math.max(2, size), 0, 2 * Math.PI);
      ink.stroke();
    }
  };

  addEventListener("pointerdown", (event) => {
    if (!kind || event.button !== 0 || event.altKey || !onScene(event)) return;
    [trace, pointer] = [[[event.clientX, event.clientY]], event.pointerId];
    draw(event);
  }, true);
  addEventListener("pointermove", (event) => {
    if (!kind) return;
    at = trace || onScene(event) ? [event.clientX, event.clientY] : null;
    if (trace && event.pointerId === pointer) trace.push(at);
    draw(event);
  }, true);
  for (const end of ["pointerup", "pointercancel"])
    addEventListener(end, (event) => {
      if (event.pointerId !== pointer) return;
      trace = pointer = null;
      draw(event);
    }, true);

  // viser draws an arrow from where a drag began: the trace says more.
  const hideArrow = () => window.__viserMutable?.scene?.traverse((object) => {
    if (object.line?.isLine && object.cone?.isMesh) object.line.visible = object.cone.visible = false;
  });

  self.tool = (newKind, newRadius, isNegative) => {
    [kind, radius, negative] = [TRACED.includes(newKind) ? newKind : null, newRadius, isNegative];
    self.hand = newKind;
    trace = pointer = at = null;
    paper.style.display = "none";
    hideArrow();
  };
})();
