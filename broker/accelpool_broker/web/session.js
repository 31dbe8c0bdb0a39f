/** The token of whoever is logged in: kept for this tab alone, until it is closed. `early.js` takes it from a link. */

const KEY = "accelpool.token";

export function storedToken() {
  return sessionStorage.getItem(KEY);
}

/** @param {string} token */
export function storeToken(token) {
  sessionStorage.setItem(KEY, token);
}

export function forgetToken() {
  sessionStorage.removeItem(KEY);
}
