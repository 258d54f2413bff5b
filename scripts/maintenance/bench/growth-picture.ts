/** CPU time per request for growing numbers of `what`. */
export interface Series {
  readonly what: string;
  readonly sizes: readonly number[];
  /** In microseconds, one for each size. */
  readonly costs: readonly number[];
}

const PANEL = 220;
const HEIGHT = 260;
const TOP = 50;
const BOTTOM = 200;
const LEFT = 36;
const RIGHT = 14;
const GOAL = 1.1;

const STYLE = `
    text { font: 12px system-ui, sans-serif; fill: #3d444d }
    .title { font-weight: 600 }
    .note { font-size: 10px }
    .axis { stroke: #8b949e; stroke-width: 1 }
    .goal { stroke: #bc4c00; stroke-dasharray: 4 4 }
    .line { stroke: #0969da; stroke-width: 2; fill: none }
    .point { fill: #0969da }
    @media (prefers-color-scheme: dark) {
      text { fill: #d1d7e0 }
      .goal { stroke: #f0883e }
      .line { stroke: #58a6ff }
      .point { fill: #58a6ff }
    }`;

/** Returns an SVG with a panel for each series, which shows CPU time per request relative to the smallest size. */
export function growthPicture(all: readonly Series[], circumstances: string): string {
  const highest = Math.max(1.2, ...all.flatMap(({ costs }) => costs.map((cost) => cost / costs[0]! + 0.05)));
  const y = (ratio: number) => round(BOTTOM - ((BOTTOM - TOP) * ratio) / highest);
  const width = PANEL * all.length;
  const panels = all.map((series, index) => `<g transform="translate(${index * PANEL})">${panel(series, y)}</g>`);
  const size = `viewBox="0 0 ${width} ${HEIGHT}" width="${width}" height="${HEIGHT}"`;
  const title = 'CPU time a request, relative to the smallest size';
  const note = circumstances.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img">
  <title>${title}</title>
  <style>${STYLE}
  </style>
  <text class="title" x="${LEFT}" y="16">${title} (dashed: the goal, ${GOAL.toFixed(2)})</text>
  ${panels.join('\n  ')}
  <text class="note" x="${LEFT}" y="${HEIGHT - 8}">${note}</text>
</svg>
`;
}

function panel({ what, sizes, costs }: Series, y: (ratio: number) => number): string {
  const step = (PANEL - LEFT - RIGHT - 24) / (sizes.length - 1);
  const points = sizes.map((size, index) => {
    const ratio = costs[index]! / costs[0]!;
    return { size, ratio, x: round(LEFT + 12 + index * step), y: y(ratio) };
  });
  const level = (ratio: number, style: string) => `<path class="${style}" d="M${LEFT} ${y(ratio)}H${PANEL - RIGHT}"/>`;
  const label = (ratio: number) => `<text x="${LEFT - 5}" y="${y(ratio) + 4}" text-anchor="end">${ratio}</text>`;
  const marks = points.map(
    ({ size, ratio, x, y }) => `
    <circle class="point" cx="${x}" cy="${y}" r="3.5"/>
    <text class="note" x="${x}" y="${y + 18}" text-anchor="middle">${ratio.toFixed(2)}</text>
    <text class="note" x="${x}" y="${BOTTOM + 16}" text-anchor="middle">${size.toLocaleString('en')}</text>`,
  );
  return `
    ${level(0, 'axis')}${label(0)}${label(1)}${level(GOAL, 'goal')}
    <path class="line" d="M${points.map(({ x, y }) => `${x} ${y}`).join('L')}"/>${marks.join('')}
    <text x="${(LEFT + PANEL - RIGHT) / 2}" y="${BOTTOM + 34}" text-anchor="middle">${what}</text>
  `;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
