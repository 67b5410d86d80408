"""Ways over a graph: whose hardest step is as easy as possible, and what hangs together."""

import numpy as np

from . import jit


@jit
def flood(starts, neighbours, lengths, step, entries, begun, heap_costs, heap_nodes, under, costs):
    """``costs[i]``: over all ways from where it ``begun`` to i, the least highest cost of a step or an entry.

    Water that rises in a landscape (Dijkstra's algorithm with max for plus), on a binary heap.

    Args:
        starts, neighbours, lengths: (n + 1,), (m,), (m,) joints of each node. step: cost of a joint, for its length.
        entries: (n,) what it costs to enter a node; inf: never. begun: (k,) nodes where it begins.
        heap_costs, heap_nodes: room for m + k numbers each. under: room for n numbers.
        costs: (n,), written; inf where no way leads.
    """
    size = 0
    costs[:] = np.inf
    for node in begun:
        if entries[node] < costs[node]:
            costs[node] = entries[node]
            size = _push(heap_costs, heap_nodes, size, entries[node], node)
    while size > 0:
        level, node = heap_costs[0], heap_nodes[0]
        size = _pop(heap_costs, heap_nodes, size)
        if level > costs[node]:
            continue
        top = 0
        under[0] = node
        while top >= 0:  # all that is under water at this level needs no order
            node = under[top]
            top -= 1
            for k in range(starts[node], starts[node + 1]):
                other = neighbours[k]
                reached = max(level, entries[other], step * lengths[k])
                if reached < costs[other]:
                    costs[other] = reached
                    if reached == level:
                        top += 1
                        under[top] = other
                    else:
                        size = _push(heap_costs, heap_nodes, size, reached, other)


@jit
def connected(starts, neighbours, strengths, least, selected, waiting, labels):
    """``labels[i]``: number of the part of each selected node, -1 for others; returns how many parts there are.

    Args:
        starts, neighbours, strengths: (n + 1,), (m,), (m,) joints of each node, both ways. least: strength of a joint
            that holds. selected: (n,). waiting: room for n numbers. labels: (n,), written.
    """
    labels[:] = -1
    count = 0
    for first in range(len(selected)):
        if not selected[first] or labels[first] >= 0:
            continue
        labels[first] = count
        waiting[0], top = first, 0
        while top >= 0:
            node = waiting[top]
            top -= 1
            for k in range(starts[node], starts[node + 1]):
                other = neighbours[k]
                if strengths[k] >= least and selected[other] and labels[other] < 0:
                    labels[other] = count
                    top += 1
                    waiting[top] = other
        count += 1
    return count


@jit
def _push(heap_costs, heap_nodes, size, cost, node):
    """Put a node on the heap; returns the new size."""
    place = size
    while place > 0:
        above = (place - 1) >> 1
        if heap_costs[above] <= cost:
            break
        heap_costs[place], heap_nodes[place] = heap_costs[above], heap_nodes[above]
        place = above
    heap_costs[place], heap_nodes[place] = cost, node
    return size + 1


@jit
def _pop(heap_costs, heap_nodes, size):
    """Take the cheapest off the heap; returns the new size."""
    size -= 1
    cost, node = heap_costs[size], heap_nodes[size]
    place = 0
    while 2 * place + 1 < size:
        below = 2 * place + 1
        if below + 1 < size and heap_costs[below + 1] < heap_costs[below]:
            below += 1
        if heap_costs[below] >= cost:
            break
        heap_costs[place], heap_nodes[place] = heap_costs[below], heap_nodes[below]
        place = below
    heap_costs[place], heap_nodes[place] = cost, node
    return size
