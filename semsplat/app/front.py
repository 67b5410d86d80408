"""viser's page in our dress: its name, icon and style, and what is read until the scene is there."""

import gzip
import html
import re
from pathlib import Path
from urllib.parse import quote

STYLE = Path(__file__).with_name("page.css")
NAME = "semsplat"
BLOBS = ((11, 12, 9, "#e0574f"), (22, 14, 8, "#e9a13b"), (16, 22, 8, "#1a73a0"))  # x, y, radius, colour of the icon
# Over all until the panel is there: before, viser's own page shows its settings and an empty scene.
OPENING = """<div id="semsplat-opening" role="status"><p>Opening <b>%s</b> …</p><i></i><p></p></div><script>(() => {
  const over = document.getElementById("semsplat-opening"), began = Date.now();
  try { // as this browser's visitor chose before
    const dark = localStorage.getItem("viser-user:semsplat-dark") ?? matchMedia("(prefers-color-scheme: dark)").matches;
    over.classList.toggle("dark", String(dark) === "true");
  } catch { } // a browser that keeps nothing
  const timer = setInterval(() => {
    if (document.querySelector("[role=tab]")) {
      clearInterval(timer);
      over.classList.add("away");
      setTimeout(() => over.remove(), 400);
    } else if (Date.now() - began > 10000)
      over.lastChild.textContent = "The scene is on its way. Should nothing come, look at the terminal in which " +
        "semsplat runs.";
  }, 100);
})();</script>"""
# The cookie has it now: nobody reads it over a shoulder or sends it on with the address by mistake.
HIDE_TOKEN = """{ const there = new URL(location.href); there.searchParams.delete("token");
history.replaceState(history.state, "", there); }"""
HIDE_PROGRESS = """{ const title = %s, end = Date.now() + 6000, timer = setInterval(() => {
  for (const toast of document.querySelectorAll(".mantine-Notification-root"))
    if (toast.textContent.startsWith(title) && toast.textContent.endsWith("File uploaded successfully."))
      toast.style.display = "none";
  if (Date.now() > end) clearInterval(timer);
}, 50); }"""


class Front:
    """Changes the page as it is sent."""

    def __init__(self, title: str = "") -> None:
        """Without a title nothing is laid over the page.

        Args:
            title: of the scene; any text.
        """
        self._title = html.escape(title)
        self._made: dict[bytes, bytes] = {}

    def dressed(self, page: bytes, zipped: bool) -> bytes:
        """The page, as it came, with our parts; what is not found in it is left as it is.

        Args:
            zipped: whether the page is, and is to be, compressed by gzip.
        """
        if page not in self._made:
            text = gzip.decompress(page) if zipped else page
            for old, new in self._parts().items():
                text = re.sub(old.encode(), lambda _, new=new: new.encode(), text, count=1)
            self._made[page] = gzip.compress(text) if zipped else text
        return self._made[page]

    def _parts(self) -> dict[str, str]:
        title = f"{self._title} · {NAME}" if self._title else NAME
        return {  # regular expression: what takes the place of what it finds first
            "<title>Viser</title>": f"<title>{title}</title>",
            r'<link\s+rel="icon"[^>]*>': f'<link rel="icon" href="data:image/svg+xml,{quote(_icon())}">',
            '<meta name="description"[^>]*>': "",
            "</head>": f"<style>{STYLE.read_text('utf-8')}</style></head>",
            "<body>": f"<body>{OPENING % self._title if self._title else ''}",
        }


def _icon() -> str:
    """Three Gaussians."""
    shades = "".join(
        f'<radialGradient id="g{at}"><stop offset=".35" stop-color="{color}"/>'
        f'<stop offset="1" stop-color="{color}" stop-opacity="0"/></radialGradient>'
        for at, (*_, color) in enumerate(BLOBS)
    )
    blobs = "".join(f'<circle cx="{x}" cy="{y}" r="{r}" fill="url(#g{at})"/>' for at, (x, y, r, _) in enumerate(BLOBS))
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><defs>{shades}</defs>{blobs}</svg>'
