"use strict";
const ask = document.getElementById("ask");
const query = document.getElementById("query");
const variables = document.getElementById("variables");
const answer = document.getElementById("answer");

ask.addEventListener("submit", async (event) => {
  event.preventDefault();
  answer.textContent = "…";
  try {
    const body = { query: query.value, variables: JSON.parse(variables.value || "{}") };
    const response = await fetch("/graphql", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    answer.textContent = JSON.stringify(await response.json(), null, 2);
  } catch (error) {
    answer.textContent = String(error);
  }
});

ask.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    ask.requestSubmit();
  }
});
