// Before the first paint: the theme that was chosen, else the system's.
let chosen = null;
try { chosen = localStorage.getItem("weir-theme"); } catch { /* storage is off */ }
document.documentElement.dataset.theme =
  chosen ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
