"""Lists what networkx reads in a DOT file, by pydot or pygraphviz: as pictures.cpp does.

python3 read_dot.py pydot|pygraphviz FILE
"""
import json
import re
import sys

import networkx


def meaning(text):
    """What Graphviz shows of a label."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    text = re.sub(r'\\(.)', lambda found: '\n' if found[1] == 'n' else found[1], text, flags=re.DOTALL)
    return text.replace('&amp;', '&')


reader = {'pydot': networkx.nx_pydot.read_dot, 'pygraphviz': networkx.nx_agraph.read_dot}[sys.argv[1]]
graph = reader(sys.argv[2])
for name, found in graph.nodes(data=True):
    print(json.dumps([name, meaning(found.get('label', '')), meaning(found.get('fillcolor', ''))], ensure_ascii=False))
for tail, head, found in graph.edges(data=True):
    print(json.dumps([tail, head, meaning(found.get('label', ''))], ensure_ascii=False))
