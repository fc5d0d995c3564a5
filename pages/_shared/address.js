// One entry of the browser's history for one deed.
//
// On the way to another page Streamlit notes its bare address, and then the same with what the page shows, which the
// server tells: two entries, of which the first is no page that anybody saw. The second takes its place here.
(() => {
  if (history.resmem) return;
  history.resmem = true;
  let bare = false; // the newest entry is such a first one
  const push = history.pushState.bind(history);
  history.pushState = (state, title, url) => {
    const to = new URL(url, location.href);
    if (bare && to.pathname === location.pathname) {
      bare = false;
      return history.replaceState(state, title, url);
    }
    bare = to.pathname !== location.pathname && !to.search;
    return push(state, title, url);
  };
  for (const deed of ["pointerdown", "keydown", "popstate"]) addEventListener(deed, () => (bare = false), true);
})();
