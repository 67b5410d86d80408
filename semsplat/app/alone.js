// For a page without a server, before anything else in it.
document.title = "semsplat";

// A page that was opened as a file may not start module workers, and viser's sorts the splats in one.
if (location.protocol === "file:") {
  const Plain = window.Worker, Bytes = window.Blob;
  window.Blob = class extends Bytes {
    constructor(parts, options) {
      const plain = (part) => (typeof part === "string" ? part.replaceAll("import.meta.url", "self.location.href") : part);
      super(parts?.map(plain), options);
    }
  };
  window.Worker = class extends Plain {
    constructor(address, options) { super(address, { ...options, type: "classic" }); }
  };
}
