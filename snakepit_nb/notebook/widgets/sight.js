// Tells whether anybody can see a view on this page, and draws nothing itself.

const TICK = 500; // milliseconds

function isSeen(name) {
  if (document.visibilityState !== "visible") return false;
  return [...document.getElementsByClassName(name)].some((view) => {
    const box = view.getBoundingClientRect();
    return box.width > 0 && box.bottom > 0 && box.top < window.innerHeight;
  });
}

function initialize({ model }) {
  const page = crypto.getRandomValues(new Uint32Array(2)).join("-");
  let told = null;
  const look = () => {
    forget(model);
    const seen = isSeen(model.get("name"));
    if (seen !== told) model.send({ page, seen });
    told = seen;
  };
  const timer = setInterval(look, TICK);
  document.addEventListener("visibilitychange", look);
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", look);
  };
}

export default { initialize };
