// The README's example as a page: messages, and a form to send one.

import { ConvexProvider, ConvexReactClient, useMutation, useQuery } from "convex/react";
import { anyApi as api } from "convex/server";
import { useLayoutEffect } from "react";
import { createRoot } from "react-dom/client";

// Every list that was on the page, however briefly.
window.shown = [];

function Messages() {
  const messages = useQuery(api.messages.list);
  useLayoutEffect(() => {
    if (messages) window.shown.push(messages.map(({ text }) => text));
  });
  return (
    <ol>
      {messages?.map(({ _id, text }) => (
        <li key={_id}>{text}</li>
      ))}
    </ol>
  );
}

function Form({ author }) {
  const send = useMutation(api.messages.send).withOptimisticUpdate((store, message) => {
    const before = store.getQuery(api.messages.list);
    const guessed = { ...message, _id: crypto.randomUUID() };
    if (before) store.setQuery(api.messages.list, {}, [guessed, ...before]);
  });
  function submit(event) {
    event.preventDefault();
    send({ text: event.target.elements.text.value, author });
    event.target.reset();
  }
  return (
    <form onSubmit={submit}>
      <input name="text" aria-label="Message" />
      <button>Send</button>
    </form>
  );
}

const asked = new URLSearchParams(location.search);

createRoot(document.getElementById("page")).render(
  <ConvexProvider client={new ConvexReactClient(asked.get("server"))}>
    <Messages />
    <Form author={asked.get("author")} />
  </ConvexProvider>,
);
