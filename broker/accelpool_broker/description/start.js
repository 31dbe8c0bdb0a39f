// Shows the API's description by Swagger UI, to be read: the page's sandbox lets it call nothing.
/** @type {any} */ (globalThis).SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#description",
  supportedSubmitMethods: [],
  validatorUrl: null, // which would ask a server elsewhere
});
