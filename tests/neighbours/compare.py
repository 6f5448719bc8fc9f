"""Compares what a reader found in a picture with what stands in it, both as pictures.cpp lists it.

python3 compare.py EXPECTED FOUND
"""
import json
import re
import sys

IS_BOX = re.compile('[tdvk][0-9]+').fullmatch
DEFAULT_FILLING = '#eef3f8'


def listed(path):
    boxes, arrows = {}, []
    for line in open(path, encoding='utf-8'):
        name, second, third = json.loads(line)
        if IS_BOX(second):
            arrows.append((name, second, third))
        else:
            boxes[name] = (second, third or DEFAULT_FILLING)
    return boxes, sorted(arrows)


expected, found = listed(sys.argv[1]), listed(sys.argv[2])
wrong = [f'{name}: {expected[0].get(name)} became {found[0].get(name)}'
         for name in sorted(expected[0].keys() | found[0].keys()) if expected[0].get(name) != found[0].get(name)]
if expected[1] != found[1]:
    wrong.append(f'{len(expected[1])} arrows became {len(found[1])}')
if wrong:
    print(*wrong[:10], sep='\n')
    sys.exit(1)
print(f'{len(found[0])} boxes, {len(found[1])} arrows')
