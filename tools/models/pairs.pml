/* Two workers that share a stretch of the plan's order, in include/dally/schedulers/crew_run.hpp, how the caller takes it
 * back, and how such a run goes over to steps: each node is run once and released once, and the run comes to its end.
 * tools/check_models.sh checks it.
 *
 * The stretch is two chunks of EACH nodes, the caller's and then the partner's, whose last node takes the results of all
 * others. Anybody may find, at any time, that the other does not come any further. The partner then gives its share up;
 * the caller recalls it, or withdraws what it has only offered, waits until the partner has left, and runs the rest of both
 * shares. A pool thread may go over to steps at any time, the caller while it waits for its partner; making the join
 * counters may fail for want of memory. After that the caller takes what is ready; whoever was running a node then
 * releases it.
 *
 * Sequentially consistent, as Spin is: each access to a shared variable is one step. But for claims: a claim is a store
 * and a load after it, and the store stays with the claiming thread for a while, until its next store or a fence in all
 * threads.
 *
 *   partner              partner_; claimed, taken: parts_[].claims, claiming: the same with what only its writer sees
 *   below, held          parts_[].done and .held
 *   going_over           the mutex; stepping: stepping_; all_run: the caller has claimed the end of the plan
 *   ready, waits, ended  execution: ready nodes, the join counter of the last node, whether that has been released
 */

#define EACH 2
#define NODES 4
#define LAST 3
#define any_ready (ready[0] || ready[1] || ready[2] || ready[3])
#define NONE 255

mtype = { unwanted, wanted, here, offered, shares, recalled }
mtype = { complete, given_up, broken } /* share_end */
mtype partner = wanted;
byte claimed[2];
byte claiming[2];
bool taken[2];
byte below[2];
bool going_over;
bool stepping;
bool all_run;
byte held[2] = NONE;
bool ready[NODES];
byte waits;
bool ended;
bool result[NODES]; /* is there */
bool in_vain; /* memory was wanting once */
byte runs[NODES];
byte released[NODES];

inline lock() { atomic { !going_over -> going_over = true } }

inline run_node(what) {
  atomic {
    runs[what]++;
    assert(runs[what] == 1);
    assert(what != LAST || (result[0] && result[1] && result[2]))
  }
  result[what] = true
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
  :: stepping || all_run -> going_over = false
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
        i = 0;
        do
        :: i == LAST -> break
        :: i < LAST ->
          first = i / EACH;
          if
          :: i < done[first] -> skip
          :: else ->
            waits++;
#ifdef HELD_IS_READY
            ready[i] = true
#else
            ready[i] = i != held[first]
#endif
          fi;
          i++
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

/* ok if it has. */
inline has_gone_over(odd, n) {
  lock();
  ok = stepping;
  if
  :: ok
  :: else -> atomic { claiming[odd] = n; claimed[odd] = n }
  fi;
  going_over = false;
  if
#ifdef NOT_RELEASED
  :: false
#else
  :: ok && held[odd] != NONE ->
    mine = held[odd];
    held[odd] = NONE;
#ifndef HELD_HAS_RUN
    if
    :: mine == n -> run_node(mine)
    :: else
    fi;
#endif
    release(mine)
#endif
  :: else
  fi
}

/* crew_run::run_chunk with execution::sweep_while: from `node` on; sets `how`. */
inline run_chunk(odd) {
  how = complete;
  claiming[odd] = node;
  if
  :: claimed[odd] = node
  :: true
  fi;
  do
  :: node == (odd + 1) * EACH -> break
  :: else ->
    if /* execution::inputs_come */
    :: node != LAST || below[0] == EACH ->
      claiming[odd] = node + 1;
      if
      :: claimed[odd] = node + 1
      :: true
      fi;
      ok = !taken[odd]
    :: node == LAST && below[0] < EACH -> ok = false
    fi;
    if
    :: ok ->
      run_node(node);
      node++;
      claimed[odd] = claiming[odd];
      below[odd] = node
    :: else ->
      has_gone_over(odd, node);
      how = (ok -> broken : given_up);
      break
    fi
  od
}

active proctype caller() {
  byte node, mine, first, end, i, part;
  byte done[2], next[2];
  bool ok;
  mtype how;

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
      :: ok -> partner = offered
      :: else
      fi
    }
    going_over = false;
    if
    :: ok
    :: else -> goto over /* it has left; the caller runs all by itself */
    fi
  fi;

  /* run_stretch */
  node = 0;
  run_chunk(0);
  if
  :: how == broken -> goto steps
  :: else
  fi;
  /* partner_leaves_share */
  if
  :: partner != offered && partner != shares
  :: true -> /* it takes long */
    atomic {
      if
      :: partner == offered -> partner = here
      :: partner == shares -> partner = recalled
      :: else
      fi
    }
  fi;
#ifndef NOT_WAITED_FOR
  do
  :: partner != recalled -> break
  :: partner == recalled && !taken[0] -> go_over()
  :: partner == recalled && taken[0] ->
    has_gone_over(0, claimed[0]);
    if
    :: ok -> goto steps
    :: else
    fi
  od;
#endif
  /* run_rest */
  part = 0;
  do
  :: part == 2 -> break
  :: part < 2 && below[part] == (part + 1) * EACH -> part++
  :: part < 2 && below[part] < (part + 1) * EACH ->
#ifdef REST_IS_AN_ERROR
    assert(!result[EACH]);
#endif
    node = below[part];
    run_chunk(part);
    if
    :: how == broken ->
#ifndef OTHER_NOT_RELEASED
      has_gone_over(1 - part, claimed[1 - part]);
#endif
      goto steps
    :: else
    fi
  od;
  lock();
  ok = stepping;
  all_run = !stepping;
  going_over = false;
  if
  :: !ok -> goto finished
  :: else
  fi;
#ifndef OTHER_NOT_RELEASED
  has_gone_over(1, claimed[1]);
#endif
steps: /* run_alone, when go_on_in_pairs has returned false */
  has_gone_over(0, claimed[0]);
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
  all_run = true;
  partner = unwanted
}

/* crew_run::be_partner */
active proctype pool_thread() {
  byte node, mine, first, end;
  bool ok, leaves;
  mtype how;

  atomic { partner == wanted -> partner = here }
  do
  :: stepping || leaves -> break
  :: !stepping && !leaves ->
    if
    :: partner == unwanted -> leaves = true
    :: atomic { partner == here -> partner = unwanted }; leaves = true /* not needed for a while */
    :: atomic { partner == offered -> partner = shares };
      if
      :: partner != shares -> how = given_up
      :: partner == shares ->
        node = EACH;
        run_chunk(1)
      fi;
      if
      :: how == broken -> leaves = true
      :: else -> /* leave_share */
#ifdef LEAVES_UNLOCKED
        ok = stepping;
        if
        :: ok
        :: else -> partner = here
        fi;
#else
        lock();
        ok = stepping;
        if
        :: ok
        :: else -> partner = here
        fi;
        going_over = false;
#endif
        if
        :: ok -> has_gone_over(1, NODES); leaves = true
        :: else
        fi
      fi
    fi
  od
}

/* Finds the caller held up. */
active proctype watcher() {
  byte first, end, i;
  byte done[2], next[2];

  if
  :: go_over()
  :: true
  fi
}
