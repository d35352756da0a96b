// Loads the console; says so when it can't.
import init from "/weir-ui.js";

try {
  await init({ module_or_path: "/weir-ui_bg.wasm" });
} catch (error) {
  const box = document.createElement("div");
  box.className = "state state-error";
  box.setAttribute("role", "alert");
  box.dataset.testid = "error-state";
  box.innerHTML = "<h2>The console could not be loaded</h2><p></p><button class='button' type='button'>Try again</button>";
  box.querySelector("p").textContent = String(error);
  box.querySelector("button").addEventListener("click", () => location.reload());
  document.body.append(box);
}
