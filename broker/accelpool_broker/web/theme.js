/** Light or dark: as the system says, until somebody chooses. */

const KEY = "accelpool.theme";
/** @type {Record<string, string>} */
const OTHER = { light: "dark", dark: "light" };

/** Let a button switch between light and dark. @param {HTMLElement} button */
export function switchBy(button) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const now = () => document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light");
  const show = () => {
    const other = OTHER[now()];
    button.textContent = other === "dark" ? "Dark" : "Light";
    button.setAttribute("aria-label", `Switch to ${other} colours`);
  };
  button.addEventListener("click", () => {
    const chosen = OTHER[now()];
    document.documentElement.dataset.theme = chosen;
    localStorage.setItem(KEY, chosen);
    show();
  });
  system.addEventListener("change", show);
  show();
}
