/* Two workers that share a stretch of the plan's order, in include/dally/schedulers/crew_run.hpp, and how such a run goes
 * over to steps: each node is run once and released once, and the run comes to its end. tools/check_models.sh checks it.
 *
 * The stretch is two chunks of EACH nodes, the caller's and then the partner's, whose last node takes the results of all
 * others. Anybody may find, at any time, that the other does not come any further, and go over; making the join counters
 * may fail for want of memory. After that the caller takes what is ready; whoever was running a node then releases it.
 *
 * Sequentially consistent, as Spin is: each access to a shared variable is one step. But for claims: a claim is a store
 * and a load after it, and the store stays with the claiming thread for a while, until its next store or a fence in all
 * threads.
 *
 *   partner              partner_; claimed, taken: parts_[].claims, claiming: the same with what only its writer sees
 *   below, held          parts_[].done and .held
 *   going_over           the mutex; stepping: stepping_
 *   ready, waits, ended  execution: ready nodes, the join counter of the last node, whether that has been released
 */

#define EACH 2
#define NODES 4
#define LAST 3
#define any_ready (ready[0] || ready[1] || ready[2] || ready[3])
#define NONE 255

mtype = { unwanted, wanted, here, shares }
mtype partner = wanted;
byte claimed[2];
byte claiming[2];
bool taken[2];
byte below[2];
bool going_over;
bool stepping;
byte held[2] = NONE;
bool ready[NODES];
byte waits;
bool ended;
bool complete[NODES]; /* its result is there */
bool in_vain; /* memory was wanting once */
byte runs[NODES];
byte released[NODES];

inline lock() { atomic { !going_over -> going_over = true } }

inline run_node(what) {
  atomic {
    runs[what]++;
    assert(runs[what] == 1);
    assert(what != LAST || (complete[0] && complete[1] && complete[2]))
  }
  complete[what] = true
}

/* execution::release_dependents */
inline release(what) {
  atomic {
    released[what]++;
    assert(released[what] == 1);
    if
    :: what == LAST -> ended = true
    :: else ->
      assert(waits > 0);
      waits--;
      if
      :: waits == 0 && !runs[LAST] && held[0] != LAST && held[1] != LAST -> ready[LAST] = true
      :: else
      fi
    fi
  }
}

/* One worker's part of crew_run::make_ready: notes what it is running. */
inline take_from(odd) {
  end = next[odd];
  first = odd * EACH;
  if
  :: end > (odd + 1) * EACH -> end = (odd + 1) * EACH
  :: else
  fi;
  if
#ifdef NO_LOOK_AT_MARKS
  :: true -> held[odd] = NONE
#else
  :: end == first || below[odd] >= end -> held[odd] = NONE
#endif
  :: else -> held[odd] = end - 1
  fi;
  done[odd] = (held[odd] == NONE -> end : end - 1)
}

inline go_over() {
  lock();
  if
  :: stepping -> going_over = false
  :: else ->
    taken[0] = true;
    taken[1] = true;
#ifndef NO_FENCE
    atomic { claimed[0] = claiming[0]; claimed[1] = claiming[1] }
#endif
    next[0] = claimed[0];
    next[1] = claimed[1];
    take_from(0);
    take_from(1);
    if
    :: !in_vain ->
      in_vain = true;
      taken[0] = false;
      taken[1] = false;
      going_over = false
    :: true ->
      atomic { /* execution::prepare_steps */
        waits = 0;
        node = 0;
        do
        :: node == LAST -> break
        :: node < LAST ->
          first = node / EACH;
          if
          :: node < done[first] -> skip
          :: else ->
            waits++;
#ifdef HELD_IS_READY
            ready[node] = true
#else
            ready[node] = node != held[first]
#endif
          fi;
          node++
        od;
        if
        :: LAST < done[1] -> ended = true
        :: else -> ready[LAST] = waits == 0 && held[1] != LAST
        fi
      }
      stepping = true;
      going_over = false
    fi
  fi
}

/* crew_run::run_share, with execution::sweep_while: ok unless the run has gone over to steps. */
inline run_share(odd) {
  ok = true;
  node = odd * EACH;
  do
  :: node == (odd + 1) * EACH -> break
  :: else ->
    do /* execution::inputs_come */
    :: node != LAST || below[0] == EACH -> break
    :: node == LAST && below[0] < EACH ->
      mine = node;
      go_over();
      node = mine;
      ok = !stepping;
      if
      :: ok
      :: else -> break
      fi
    od;
    if
    :: !ok -> break
    :: else
    fi;
    claiming[odd] = node + 1;
    if
    :: claimed[odd] = node + 1
    :: true
    fi;
    ok = !taken[odd];
    if
    :: ok ->
      run_node(node);
      node++;
      claimed[odd] = claiming[odd];
      below[odd] = node
    :: else -> /* has_gone_over */
      lock();
      ok = !stepping;
      if
      :: ok -> atomic { claiming[odd] = node; claimed[odd] = node }
      :: else
      fi;
      going_over = false;
      if
      :: ok
      :: else -> break
      fi
    fi
  od
}

/* The rest of has_gone_over, with `node` the worker's next. */
inline release_held(odd) {
  if
  :: held[odd] != NONE ->
#ifndef HELD_HAS_RUN
    if
    :: held[odd] == node -> run_node(node)
    :: else
    fi;
#endif
    release(held[odd])
  :: else
  fi
}

active proctype caller() {
  byte node, mine, first, end;
  byte done[2], next[2];
  bool ok;

  if
  :: partner == here
  :: partner == unwanted -> goto over
  fi;
  claiming[1] = EACH;
  claimed[1] = EACH;
  below[0] = 0;
  below[1] = EACH;
  lock();
  if
  :: stepping -> going_over = false; goto steps
  :: else ->
    atomic {
      ok = partner == here;
      if
      :: ok -> partner = shares
      :: else
      fi
    }
    going_over = false;
    if
    :: ok
    :: else -> goto over /* it has left; the caller runs all by itself */
    fi
  fi;
  run_share(0);
  do
  :: !ok -> break
  :: ok && partner != shares -> break
  :: ok && partner == shares -> /* it takes long */
    go_over();
    ok = !stepping
  od;
  if
  :: ok ->
    lock();
    ok = !stepping;
    going_over = false
  :: else
  fi;
  if
  :: ok -> goto finished
  :: else
  fi;
steps:
  release_held(0);
  do
  :: ended -> break
  :: atomic {
      !ended && any_ready ->
      node = 0;
      do
      :: !ready[node] -> node++
      :: ready[node] -> ready[node] = false; break
      od
    }
    run_node(node);
    release(node)
  od;
finished:
  node = 0;
  do
  :: node == NODES -> break
  :: node < NODES -> assert(runs[node] == 1); node++
  od;
#ifdef END_IS_AN_ERROR
  assert(!stepping);
#endif
over:
  partner = unwanted
}

active proctype pool_thread() {
  byte node, mine, first, end;
  byte done[2], next[2];
  bool ok, stopped;
  bool left;

  atomic { partner == wanted -> partner = here }
  do
  :: stepping -> break
  :: !stepping ->
    if
    :: partner == unwanted -> left = true; break
    :: partner == shares && !stopped ->
      run_share(1);
      stopped = !ok;
      if
      :: ok -> partner = here
      :: else
      fi
    :: partner == here -> /* not needed for a while */
#ifndef LEAVES_UNLOCKED
      lock();
#endif
      atomic {
        ok = !stepping && partner == here;
        if
        :: ok -> partner = unwanted
        :: else
        fi
      }
#ifndef LEAVES_UNLOCKED
      going_over = false;
#endif
      if
      :: ok -> left = true; break
      :: else
      fi
    :: partner == here
    :: partner == shares && stopped
    fi
  od;
  if
  :: left
  :: else ->
#ifndef NOT_RELEASED
    release_held(1)
#else
    skip
#endif
  fi
}
