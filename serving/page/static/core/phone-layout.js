// On a phone the choices that can wait stand below the legend, for the eye and for the Tab key.

const NARROW = "(width <= 560px)"; // as in phone.css

export function installNarrow({ root }) {
  const [bar, networks, take, legend] = ["bar", "networks", "take", "legend"].map((name) => root.querySelector(`.${name}`));
  const narrow = matchMedia(NARROW);
  const place = () => {
    if (narrow.matches) legend.after(networks, take);
    else bar.replaceChildren(networks, ...bar.children, take);
  };
  narrow.addEventListener("change", place);
  if (narrow.matches) place();
}
