"""Style of the HTML reports: light and dark by the reader's system, no outside font."""

STYLE = """
:root { color-scheme: light dark; --bg: #fbfbfa; --card: #ffffff; --ink: #1d1f23; --soft: #5f656e;
  --edge: #dfe2e6; --s0: #1f63c4; --s1: #c2410c; --s2: #15803d; --good: #15803d; --bad: #b3261e;
  --truth: #1f6feb; --stated: #e8710a;
  --mark: #ffe08a; --mark-ink: #3d2f00; }
@media (prefers-color-scheme: dark) { :root { --bg: #15171a; --card: #1d2024; --ink: #e8eaed;
  --soft: #a2a9b3; --edge: #343a42; --s0: #7db0ff; --s1: #ff9d66; --s2: #6fd08c; --good: #6fd08c;
  --truth: #58a6ff; --stated: #f0883e; --bad: #ff8a80; --mark: #6b5200; --mark-ink: #ffedb3; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 24px; max-width: 1360px; background: var(--bg); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 24px; margin: 0 0 12px; } h2 { font-size: 18px; margin: 32px 0 12px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(340px, 1fr)); gap: 16px; }
figure, article { margin: 0; padding: 14px; background: var(--card); border: 1px solid var(--edge);
  border-radius: 8px; }
figcaption i, .note, .none { color: var(--soft); font-style: normal; font-size: 13px; }
svg { display: block; width: 100%; height: auto; }
.grid { stroke: var(--edge); } .tick { fill: var(--soft); font-size: 11px; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.line.pale { stroke-width: 1; opacity: .35; }
.line.s0 { stroke: var(--s0); } .line.s1 { stroke: var(--s1); stroke-dasharray: 6 3; }
.line.s2 { stroke: var(--s2); stroke-dasharray: 2 3; }
.mark.s0 { fill: var(--s0); } .mark.s1 { fill: var(--s1); } .mark.s2 { fill: var(--s2); }
.dot { fill: transparent; } .dot:hover { fill: var(--ink); fill-opacity: .35; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; font-size: 13px; color: var(--soft); }
.legend b { color: var(--ink); font-weight: 600; }
.key::before { content: ""; display: inline-block; width: 14px; height: 0; margin-right: 6px;
  vertical-align: middle; border-top: 2px solid var(--s0); }
.key.s1::before { border-top: 2px dashed var(--s1); } .key.s2::before { border-top: 2px dotted var(--s2); }
.rollouts { display: grid; grid-template-columns: repeat(auto-fill, minmax(560px, 1fr)); gap: 16px; }
article { display: grid; grid-template-columns: 220px 1fr; gap: 16px; align-items: start; }
article h3 { margin: 0 0 6px; font-size: 14px; overflow-wrap: anywhere; }
article p { margin: 0 0 8px; white-space: pre-wrap; overflow-wrap: anywhere; }
.picture { position: relative; } .picture img { display: block; width: 100%; border-radius: 4px; }
.overlay { position: absolute; inset: 0; width: 100%; height: 100%; fill: none; }
.overlay rect { vector-effect: non-scaling-stroke; stroke-width: 2.5; }
.overlay.gold { stroke: var(--truth); } .overlay.stated { stroke: var(--stated); stroke-dasharray: 6 4; }
.badges { display: flex; flex-wrap: wrap; gap: 6px; margin-bottom: 8px; font-size: 12.5px; }
.badges span { padding: 0 7px; border: 1px solid var(--edge); border-radius: 10px; color: var(--soft); }
.badges .bad { color: var(--bad); border-color: var(--bad); }
.badges .good { color: var(--good); border-color: var(--good); }
.label { color: var(--soft); font-size: 12.5px; margin: 0; }
mark { background: var(--mark); color: var(--mark-ink); border-radius: 2px; }
pre { margin: 0; overflow: auto; font: 12.5px/1.45 ui-monospace, monospace; white-space: pre-wrap;
  overflow-wrap: anywhere; }
table { border-collapse: collapse; font-size: 12.5px; width: 100%; margin-top: 8px; }
td, th { text-align: left; padding: 1px 8px 1px 0; font-weight: 400; }
th { color: var(--soft); white-space: nowrap; } td.bars { width: 100%; }
td { white-space: nowrap; font-variant-numeric: tabular-nums; }
.bar { height: 9px; border-radius: 2px; }
.bar.gold { background: var(--truth); }
.bar.stated { background: repeating-linear-gradient(90deg, var(--stated) 0 6px, transparent 6px 8px); }
summary { cursor: pointer; }
@media (max-width: 640px) { .rollouts { grid-template-columns: 1fr; }
  article { grid-template-columns: 1fr; } }
"""
