// Shows NAME.mmd in Chromium by Mermaid, and compares labels and arrows with NAME.txt.
//
//   node mermaid.mjs CHROMIUM PACKAGE NAME...    PACKAGE: the folder of a version of Mermaid
import fs from 'node:fs';
import { createRequire } from 'node:module';

const { chromium } = createRequire(process.cwd() + '/')('playwright-core');
const [executablePath, version, ...names] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
let failed = false;

// In the page: labels by box, and the number of arrows; or why there are none.
const show = async (text) => {
  mermaid.initialize({ startOnLoad: false });
  try {
    const { svg } = await mermaid.render('shown', text);
    document.body.innerHTML = svg;
  } catch (error) {
    return { error: String(error).split('\n')[0] };
  }
  if (/Syntax error|Maximum/.test(document.body.textContent)) return { error: document.body.textContent.slice(0, 80) };
  const boxes = [...document.querySelectorAll('g.node')].map((box) => {
    const label = box.querySelector('foreignObject');
    return [/(?:^|-)([tdvk][0-9]+)-/.exec(box.id)[1], (label?.querySelector('p') ?? label ?? box).innerText ?? ''];
  });
  return { boxes, arrows: document.querySelectorAll('path.flowchart-link').length };
};

const words = (text) => text.trim().replace(/\s+/g, ' '); // where a line is broken is Mermaid's affair
for (const name of names) {
  const page = await browser.newPage();
  await page.setContent('<body></body>');
  await page.addScriptTag({ path: `node_modules/${version}/dist/mermaid.min.js` });
  const seen = await page.evaluate(show, fs.readFileSync(`${name}.mmd`, 'utf8'));
  await page.close();
  const listed = fs.readFileSync(`${name}.txt`, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
  const isArrow = ([, to]) => /^[tdvk][0-9]+$/.test(to);
  const wrong = [];
  if (seen.error) {
    wrong.push(seen.error);
  } else {
    const shown = new Map(seen.boxes);
    for (const [box, label] of listed.filter((x) => !isArrow(x))) {
      if (words(shown.get(box) ?? 'nothing') !== words(label)) wrong.push(`${box}: ${label} became ${shown.get(box)}`);
    }
    const arrows = listed.filter(isArrow).length;
    if (seen.arrows !== arrows) wrong.push(`${arrows} arrows became ${seen.arrows}`);
  }
  failed ||= wrong.length > 0;
  const result = wrong.length > 0 ? ['WRONG', ...wrong.slice(0, 10)].join('\n') : `${seen.boxes.length} boxes, ${seen.arrows} arrows`;
  console.log(version.padEnd(14), name.padEnd(10), result);
}
await browser.close();
process.exit(failed ? 1 : 0);
