// What the page needs and viser 1.1.1 does not offer. Sent once to every page, before anything is drawn.
(() => {
  if (window.semsplat) return;
  const self = (window.semsplat = { smallSplats: false, painted: 0 });

  // 1. Gaussians under a pixel wide are kept: viser's shader throws them away, and scenes seen from afar become thin.
  const gl = WebGL2RenderingContext.prototype, compile = gl.shaderSource;
  gl.shaderSource = function (shader, source) {
    const kept = source.replace("if (weightedDeterminant < 0.25)", "if (vRgba.a < 0.004)");
    if (kept !== source) self.smallSplats = true;
    return compile.call(this, shader, kept);
  };

  // 2. New colours for splats that are already here: 4 bytes a Gaussian, nothing is merged or sorted again.
  //    A Gaussian is 8 words: centre (3), group, covariance (3), colour and opacity.
  const WORDS = 8, GROUP = 3, COLOR = 7;
  const wanted = {}; // by node name: {number, colors, done}: done is the buffer that has them already

  const unpack = async (text) => {
    const letters = atob(text), packed = new Uint8Array(letters.length);
    for (let i = 0; i < packed.length; i++) packed[i] = letters.charCodeAt(i);
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint32Array(await new Response(stream).arrayBuffer());
  };

  const starts = (words, at, node) => [0, 1, 2].every((i) => words[at * WORDS + i] === node[i]);

  const paintDrawn = (node, colors) => {
    const count = colors.length;
    window.__viserMutable.scene.traverse((object) => {
      const texture = object.material?.uniforms?.textureBuffer?.value;
      if (!texture) return;
      const words = texture.image.data, drawn = object.geometry.instanceCount;
      for (let start = 0; start < drawn; ) {
        const group = words[start * WORDS + GROUP];
        let end = start + 1;
        while (end < drawn && words[end * WORDS + GROUP] === group) end++;
        if (end - start === count && starts(words, start, node)) {
          for (let i = 0; i < count; i++) words[(start + i) * WORDS + COLOR] = colors[i];
          texture.needsUpdate = true;
        }
        start = end;
      }
    });
    window.__viserMutable.requestRender();
  };

  const apply = (name) => {
    const want = wanted[name], node = window.__viserSceneTree?.getState()[name]?.message?.props?.buffer;
    if (!want || !node || want.done === node || node.length !== want.colors.length * WORDS) return;
    for (let i = 0; i < want.colors.length; i++) node[i * WORDS + COLOR] = want.colors[i]; // for later merges
    paintDrawn(node, want.colors);
    want.done = node;
    self.painted++;
  };

  // What comes are the bits that differ from the colours of message ``since``; null: from 0. One after the other.
  let painting = Promise.resolve();
  const repaint = async (name, number, since, text) => {
    const colors = await unpack(text), before = wanted[name];
    if (since !== null && before?.number !== since) return; // it was for a server that is gone
    if (since !== null) for (let i = 0; i < colors.length; i++) colors[i] ^= before.colors[i];
    wanted[name] = { number, colors, done: null };
    apply(name);
  };
  self.paint = (...change) => { painting = painting.then(() => repaint(...change)).catch(console.error); };
  // The splats may arrive after their colours, or anew when the connection was lost.
  setInterval(() => Object.keys(wanted).forEach(apply), 250);

  // 3. Enter in a form waits until its last letter was sent: viser sends one message in 50 ms and forgets the others.
  let typed = -Infinity;
  document.addEventListener("input", () => { typed = performance.now(); }, true);
  document.addEventListener("keydown", (event) => {
    const form = event.key === "Enter" && !event.isComposing && event.target.closest?.("form");
    if (!form) return;
    event.preventDefault();
    setTimeout(() => form.requestSubmit(), Math.max(0, typed + 120 - performance.now()));
  }, true);

  // 4. What a text field is for, in grey while it is empty; and a way to it for keys.
  const examples = {};
  const inputs = (name) => [...document.querySelectorAll("label")]
    .filter((label) => label.textContent === name)
    .map((label) => label.parentElement?.parentElement?.parentElement?.querySelector("input"));
  const explain = () => Object.entries(examples).forEach(([name, text]) => inputs(name).forEach((input) => {
    if (input && input.placeholder !== text) input.placeholder = text;
  }));
  self.example = (name, text) => { examples[name] = text; };
  self.focus = (name) => { inputs(name)[0]?.focus(); inputs(name)[0]?.select(); };
  setInterval(explain, 250);

  // 5. A line where a comparison has its border, and a photo over the scene, as high as the scene.
  const over = (id, make) => {
    const canvas = document.querySelector("canvas[data-engine]"), parent = canvas?.parentElement;
    let there = document.getElementById(id);
    if (!there && parent) {
      there = document.createElement(make);
      there.id = id;
      parent.appendChild(there);
    }
    return there;
  };
  self.border = (share) => {
    if (share === null) return document.getElementById("semsplat-border")?.remove();
    const line = over("semsplat-border", "div");
    line?.setAttribute("style", `position:absolute;top:0;bottom:0;left:${100 * share}%;width:2px;margin-left:-1px;` +
      "background:#fff;mix-blend-mode:difference;pointer-events:none;z-index:1");
  };
  // sizes and places are shares of the canvas's height, from its middle
  self.photo = (source, opacity, box) => {
    if (source === null) return document.getElementById("semsplat-photo")?.remove();
    const picture = over("semsplat-photo", "img"), canvas = document.querySelector("canvas[data-engine]");
    if (!picture || !canvas) return;
    if (source) picture.src = source;
    const put = () => {
      const high = canvas.clientHeight, wide = canvas.clientWidth;
      picture.setAttribute("style", `position:absolute;pointer-events:none;z-index:1;max-width:none;` +
        `opacity:${opacity};width:${box.width * high}px;height:${box.height * high}px;` +
        `left:${wide / 2 + box.left * high}px;top:${high / 2 + box.top * high}px;` +
        `transform-origin:${box.across * high}px ${box.down * high}px;transform:rotate(${box.turned}deg)`);
    };
    put();
    self.placed = put;
  };
  addEventListener("resize", () => document.getElementById("semsplat-photo") && self.placed?.());

  // 6. "?" opens the help, as its button does.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "?" || event.target.closest?.("input, textarea, [contenteditable]")) return;
    const help = [...document.querySelectorAll("button")].find((button) => button.textContent.trim() === "Help");
    help?.click();
  });

  // 7. Handles are drawn after the Gaussians, which would hide them: viser gives handles that test no depth order 500.
  setInterval(() => {
    let raised = false;
    window.__viserMutable?.scene?.traverse((object) => {
      if (object.renderOrder !== 500 || object.material?.depthTest !== false) return;
      object.renderOrder = 20000;
      raised = true;
    });
    if (raised) window.__viserMutable.requestRender();
  }, 250);

  // 8. Escape closes a dialog, by its last button, which changes nothing.
  document.addEventListener("keydown", (event) => {
    const dialog = event.key === "Escape" && document.querySelector(".mantine-Modal-content[role=dialog]");
    const buttons = dialog ? dialog.querySelectorAll("button") : [];
    if (!buttons.length) return;
    event.stopPropagation(); // it was meant for the dialog, not for what is picked
    buttons[buttons.length - 1].click();
  }, true);

  // 9. What buttons do is said when the pointer rests on them: viser shows the hints of all other controls.
  let hints = {}; // by the button's id
  const hint = () => Object.entries(hints).forEach(([id, text]) => {
    const button = document.getElementById(id);
    if (!button || button.title === text) return;
    button.title = text;
    if (!button.textContent.trim()) button.setAttribute("aria-label", text);
  });
  self.hints = (all) => { hints = all; hint(); };
  setInterval(hint, 500);

  // 10. When the server is gone, the page says so: viser only greys its panel.
  let met = false, missed = 0;
  setInterval(() => {
    const there = document.querySelector(".tabler-icon-cloud-check"), said = document.getElementById("semsplat-lost");
    met = met || Boolean(there);
    missed = there ? 0 : missed + 1;
    if (there) said?.remove();
    else if (met && missed > 3 && !said && document.querySelector("[role=tab]")) {
      const banner = Object.assign(document.createElement("div"), { id: "semsplat-lost" });
      banner.setAttribute("role", "status");
      banner.textContent = "The connection to semsplat is lost. When it runs again, this page goes on by itself.";
      document.body.append(banner);
    }
  }, 500);

  // 11. Without a GPU viser lays a warning over the scene that stays; the panel says it instead.
  const context = document.createElement("canvas").getContext("webgl2");
  const renderer = context?.getExtension("WEBGL_debug_renderer_info")?.UNMASKED_RENDERER_WEBGL;
  self.software = /swiftshader|llvmpipe|softpipe|software/i.test((renderer && context.getParameter(renderer)) || "");
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  const warned = setInterval(() => {
    for (const notice of document.querySelectorAll(".mantine-Notification-root"))
      if (notice.textContent.startsWith("Software WebGL rendering")) {
        notice.querySelector(".mantine-Notification-closeButton")?.click();
        clearInterval(warned);
      }
  }, 100);
  setTimeout(() => clearInterval(warned), 20000);

  // 12. Keys work again after a checkbox was clicked: viser leaves them to whatever field is in use.
  document.addEventListener("change", (event) => event.target.type === "checkbox" && event.target.blur());
})();
