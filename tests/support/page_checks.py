"""What a reader of any page needs: text with contrast, and nothing beside the screen."""

from .chromium import Browser

#: Least contrast of text by WCAG 2.2 level AA (https://www.w3.org/TR/WCAG22/#contrast-minimum).
LEAST_CONTRAST = 4.5

#: Texts with less, as "ratio element text"; the opacity and the backgrounds of all elements around count.
#: Left out: disabled controls, and labels that only screen readers get (a pixel wide).
_UNREADABLE = """(() => {
  const colour = text => {
    const [r, g, b, alpha = 1] = text.match(/[\\d.]+/g).map(Number);
    return [r, g, b, alpha];
  };
  const over = (top, under) => [0, 1, 2].map(i => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const around = e => e ? [...around(e.parentElement), e] : [];
  const luminance = c => {
    const [r, g, b] = c.slice(0, 3).map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const contrast = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + .05) / (low + .05);
  };
  const found = new Set(), texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode, e = node.parentElement, range = document.createRange();
    range.selectNodeContents(node);
    const box = range.getBoundingClientRect();
    if (!node.textContent.trim() || box.width < 2 || box.height < 2) continue;
    if (e.matches('option, title, :disabled, :disabled *')) continue;
    const chain = around(e), svg = e.namespaceURI.endsWith('svg');
    const ink = colour(svg ? getComputedStyle(e).fill : getComputedStyle(e).color);
    for (const part of chain) ink[3] *= Number(getComputedStyle(part).opacity);
    const behind = chain.reduce((under, part) => over(colour(getComputedStyle(part).backgroundColor), under),
      [255, 255, 255, 1]);
    const ratio = contrast(over(ink, behind), behind);
    if (ratio < LEAST) found.add(`${ratio.toFixed(2)} ${e.tagName} ${node.textContent.trim().slice(0, 40)}`);
  }
  return JSON.stringify([...found]);
})()"""

#: Elements whose right side is beyond the window, while the page as a whole can be scrolled sideways. A phone
#: zooms out where a page is too wide, so that `innerWidth` grows with it.
_TOO_WIDE = """(() => {
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth <= clientWidth) return '[]';
  const beyond = e => e.getBoundingClientRect().right > clientWidth + 1;
  const names = [...document.querySelectorAll('body *')].filter(beyond);
  return JSON.stringify(names.map(e => `${e.tagName} ${e.getAttribute('class') ?? ''}`));
})()"""


def unreadable(browser: Browser, least: float = LEAST_CONTRAST) -> str:
    """Return, as JSON, the texts of the page with less contrast than `least`; "[]" if there are none."""
    return browser.run(_UNREADABLE.replace("LEAST", str(least)))


def too_wide(browser: Browser) -> str:
    """Return, as JSON, what makes the page wider than the window; "[]" if it is not."""
    return browser.run(_TOO_WIDE)
