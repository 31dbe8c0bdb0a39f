// What cannot wait for the modules: a token leaves the address before anything else is loaded, and the page is dark at once.
(() => {
  "use strict";
  const takeToken = () => {
    const token = new URLSearchParams(location.hash.slice(1)).get("token");
    if (token === null) return;
    history.replaceState(null, "", location.pathname + location.search);
    sessionStorage.setItem("accelpool.token", token);
  };
  takeToken();
  addEventListener("hashchange", () => {
    if (!new URLSearchParams(location.hash.slice(1)).has("token")) return;
    takeToken();
    location.reload();
  });
  const theme = localStorage.getItem("accelpool.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
})();
