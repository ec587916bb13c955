// Starts Swagger UI with this server's OpenAPI description.

window.SwaggerUIBundle({
  url: new URL('api/v1/openapi.json', document.baseURI).href,
  dom_id: '#swagger-ui',
  deepLinking: true,
  // the validator badge would send a request to another server
  validatorUrl: null,
});
