// Starts Swagger UI with the API's own description, wherever the API is.

window.SwaggerUIBundle({
  url: new URL('api/v1/openapi.json', document.baseURI).href,
  dom_id: '#swagger-ui',
  deepLinking: true,
  // its badge would ask a server elsewhere
  validatorUrl: null,
});
