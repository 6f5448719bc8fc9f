// Lists what a reader of npm's finds in a DOT file, as pictures.cpp does.
//
//   node read_dot.mjs ts-graphviz|graphlib-dot|vis-network FILE
import fs from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(process.cwd() + '/');
const [reader, file] = process.argv.slice(2);
const text = fs.readFileSync(file, 'utf8');
const line = (...fields) => console.log(JSON.stringify(fields));

// What Graphviz shows of a label that was given as it stands in the file, or with its quotes unescaped.
const meaning = (label) => {
  const raw = label ?? '';
  return raw.replace(/\\(.)/gs, (_, c) => (c === 'n' ? '\n' : c)).replaceAll('&amp;', '&');
};

if (reader === 'ts-graphviz') {
  const { fromDot } = require('ts-graphviz');
  const graph = fromDot(text);
  for (const n of graph.nodes) line(n.id, meaning(n.attributes.get('label')), n.attributes.get('fillcolor') ?? '');
  for (const e of graph.edges) line(e.targets[0].id, e.targets[1].id, meaning(e.attributes.get('label')));
} else if (reader === 'graphlib-dot') {
  const graph = require('@dagrejs/graphlib-dot').read(text);
  for (const n of graph.nodes()) line(n, meaning(graph.node(n).label), graph.node(n).fillcolor ?? '');
  for (const e of graph.edges()) line(e.v, e.w, meaning(graph.edge(e).label));
} else {
  const { parseDOTNetwork } = require('vis-network/standalone/umd/vis-network.js');
  const graph = parseDOTNetwork(text);
  for (const n of graph.nodes) line(n.id, meaning(n.label), n.color?.background ?? '');
  for (const e of graph.edges) line(e.from, e.to, meaning(e.label));
}
