/* The wake-up protocol of include/dally/pool/thread_pool.hpp and include/dally/schedulers/crew_run.hpp: who makes work
 * visible wakes a sleeping worker, or knows that another worker is searching and will find it. tools/check_models.sh
 * checks it.
 *
 * A lost wake-up is a deadlock here, which Spin reports as an invalid end state: a task may wait for others (`held`), as
 * a task may that waits on a latch, until all that is ready beside it has been run. Up to HOLD workers wait at a time, so
 * with HOLD == POOL the run ends only if the protocol brings every worker to work that is visible.
 *
 * Sequentially consistent, as Spin is: each access to a shared variable is one step. So are the protocol's own atomics;
 * the other orders of the headers are tools/check_orders.sh's matter. What a weaker order would allow is a mutant that does
 * two steps in the other order.
 *
 * Left out: tasks that run more tasks (nested computes), threads that the system refuses, want of memory. The graph is any
 * in which a task makes up to two others ready: Spin chooses. A search looks at everything once, not 40 times, and a steal
 * may be lost: that makes lost wake-ups likelier, not rarer.
 *
 *   crew_run       stepping, roots, ready, searching, caller_sleeps, caller_tokens (spot_), claimed and taken (alone_), seen
 *   crew           crew_searching, sleepers, crew_tokens (spot), started, stopping, watcher, open, helpers, mutex
 *   the execution  unmade: tasks that wait for others; live: ready or running; waiting: of these, the held ones
 */

#ifndef POOL
#define POOL 2 /* threads of the pool; each run's caller is one more worker */
#endif
#ifndef RUNS
#define RUNS 1 /* callers at the same time, each with a run of its own */
#endif
#ifndef TASKS
#define TASKS 4 /* in a run */
#endif
#ifndef HOLD
#define HOLD POOL
#endif
#ifndef HERE
#define HERE 0 /* tasks that must run on the caller's thread, which then is never held itself */
#endif
#define WORKERS (POOL + 1)
#define NONE 255

#define finished(r) (live[r] + unmade[r] == 0)
#define wants_watch(r) (!stepping[r] && !finished(r))
#define own(r, worker) ready[(r) * WORKERS + (worker)]

/* crew */
bool mutex;
bool open[RUNS];
byte helpers[RUNS];
byte watcher;
byte started;
bool stopping;
byte crew_searching;
byte sleepers;
byte crew_tokens;

/* crew_run */
bool going_over[RUNS];
bool taken[RUNS];
byte claimed[RUNS];
byte seen[RUNS] = NONE;
bool stepping[RUNS];
byte roots[RUNS];
byte ready[RUNS * WORKERS];
byte searching[RUNS];
bool caller_sleeps[RUNS];
byte caller_tokens[RUNS];
byte left[RUNS];

/* execution */
byte unmade[RUNS] = TASKS;
byte live[RUNS];
byte waiting[RUNS];
byte held;
byte here = HERE;

byte ended;

inline lock(m) {
  atomic { !m -> m = true }
}

/* crew::stop_sleeping */
inline stop_sleeping(ok) {
  atomic {
    if
    :: sleepers > 0 -> sleepers--; ok = true
    :: else -> ok = false
    fi
  }
}

/* crew::notify, with crew::start */
inline crew_notify() {
  do
  :: crew_searching != 0 -> break
  :: else ->
    if
    :: sleepers == 0 ->
      if
      :: started == POOL -> break
      :: else
      fi
    :: else
    fi;
    atomic {
      if
      :: crew_searching == 0 -> crew_searching = 1
      :: else -> break
      fi
    }
    stop_sleeping(ok);
    if
    :: ok -> crew_tokens++; break
    :: else
    fi;
    lock(mutex);
    if
    :: started < POOL -> started++; mutex = false; break
    :: else -> mutex = false
    fi;
    crew_searching--;
#ifdef NO_SECOND_LOOK
    break
#endif
  od
}

/* crew_run::wake_caller */
inline wake_caller(r) {
  atomic { ok = caller_sleeps[r]; caller_sleeps[r] = false }
  if
  :: ok -> caller_tokens[r]++
  :: else
  fi
}

/* crew_run::notify */
inline notify(r) {
  if
  :: searching[r] != 0
  :: else ->
    if
    :: caller_sleeps[r] -> wake_caller(r)
    :: else -> crew_notify()
    fi
  fi
}

/* crew_run::visible */
inline visible(r, found) {
  found = false;
  if
  :: !stepping[r]
  :: else ->
    if
    :: roots[r] > 0 -> found = true
    :: else ->
      v = 0;
      do
      :: v == WORKERS -> break
      :: v < WORKERS && own(r, v) == 0 -> v++
      :: v < WORKERS && own(r, v) > 0 -> found = true; break
      od
    fi
  fi;
  v = 0
}

/* crew::others_need, called without the mutex */
inline others_need(joined, watch, need) {
  lock(mutex);
  need = false;
  q = 0;
  do
  :: q == RUNS -> break
  :: q < RUNS && (q == joined || !open[q]) -> q++
  :: q < RUNS && q != joined && open[q] ->
    visible(q, need);
    if
    :: need || (watch && watcher == 0 && wants_watch(q)) -> need = true; break
    :: else -> q++
    fi
  od;
  q = 0;
  mutex = false
}

/* crew_run::take_root, and the deque's pop: both at once, for take_own */
inline take_own(r, me, ok) {
  atomic {
    if
    :: own(r, me) > 0 -> own(r, me)--; ok = true
    :: else -> ok = false
    fi
  }
  if
  :: ok
  :: else -> take_root(r, ok)
  fi
}

inline take_root(r, ok) {
  atomic {
    if
    :: roots[r] > 0 -> roots[r]--; ok = true
    :: else -> ok = false
    fi
  }
}

/* crew_run::search_counted, one round */
inline search_counted(r, me, found) {
  take_root(r, found);
  v = 1;
  do
  :: found || v == WORKERS -> break
  :: !found && v < WORKERS ->
    atomic {
      if
      :: own(r, (me + v) % WORKERS) > 0 -> own(r, (me + v) % WORKERS)--; found = true
      :: v++ /* empty, or lost to another thief */
      fi
    }
  od;
  v = 0
}

/* crew_run::found_or_gave_up */
inline found_or_gave_up(r, found) {
  atomic { assert(searching[r] > 0); searching[r]--; ok = found && searching[r] == 0 }
#ifndef NO_LOOK_AFTER_FIND
  if
  :: ok ->
    visible(r, ok);
    if
    :: ok -> notify(r)
    :: else
    fi
  :: else
  fi;
#endif
  ok = false
}

/* crew_run::announce, after a push. Late: the push becomes visible after the look at who is idle. */
inline push_and_announce(r, me) {
#ifdef LATE_ANNOUNCE
  notify(r);
  own(r, me)++
#else
  own(r, me)++;
#ifndef DROPPED_WAKE_UP
  notify(r)
#endif
#endif
}

/* execution::perform */
inline perform(r, may_wait) {
  if
  :: true
  :: atomic { may_wait && held < HOLD -> held++; waiting[r]++ }
    atomic { stepping[r] && live[r] == waiting[r] -> held--; waiting[r]-- }
  fi
}

/* execution::release_dependents: chooses how many tasks become ready. One at least if none else is. */
inline release_dependents(r, made) {
  atomic {
    live[r]--;
    if
    :: live[r] > 0 || unmade[r] == 0 -> made = 0
    :: unmade[r] > 0 -> made = 1
    :: unmade[r] > 1 -> made = 2
    fi;
    unmade[r] = unmade[r] - made;
    live[r] = live[r] + made
  }
}

/* crew_run::work */
inline work(r, me, has_run) {
  do
  :: true ->
    if
    :: has_run
    :: atomic { !has_run && me != 0 && here > 0 -> here--; left[r]++ } /* leave_to_caller: it must run on its thread */
      wake_caller(r);
      break
    :: !has_run -> perform(r, me != 0 || HERE == 0)
    fi;
    has_run = false;
    release_dependents(r, made);
    if
    :: made == 2 -> push_and_announce(r, me)
    :: else
    fi;
    if
    :: made == 0 -> break
    :: else
    fi
  od;
  made = 0
}

/* crew_run::go_over */
inline go_over(r) {
  lock(going_over[r]);
  if
  :: stepping[r] -> going_over[r] = false
  :: else ->
    atomic { made = claimed[r]; taken[r] = true }
    if
    :: made > TASKS -> going_over[r] = false
    :: else ->
      atomic { /* execution::prepare_steps; roots are not seen before stepping */
        if
        :: made > 0 -> roots[r] = 0 /* all others wait for the one that the caller is running */
        :: made < TASKS -> roots[r] = 1
        :: made + 1 < TASKS -> roots[r] = 2
        fi;
        unmade[r] = TASKS - made - roots[r];
        live[r] = roots[r] + (made > 0 -> 1 : 0);
        made = 0
      }
#ifdef LATE_STEPPING
      notify(r);
      stepping[r] = true;
      going_over[r] = false
#else
      stepping[r] = true;
      going_over[r] = false;
      notify(r)
#endif
    fi
  fi;
  made = 0
}

/* crew_run::sleep */
inline sleep(r) {
#ifndef LATE_CALLER_SLEEPS
  caller_sleeps[r] = true;
#endif
#ifdef CALLER_SLEEPS_BLINDLY
  ok = finished(r);
#else
  if
  :: finished(r) -> ok = true
  :: else ->
    visible(r, ok);
    if
    :: ok
    :: else -> ok = left[r] > 0
    fi
  fi;
#endif
#ifdef LATE_CALLER_SLEEPS
  if
  :: ok
  :: else -> caller_sleeps[r] = true
  fi;
#endif
  if
  :: ok -> atomic { ok = !caller_sleeps[r]; caller_sleeps[r] = false }
  :: else -> ok = true
  fi;
  if
  :: ok -> atomic { caller_tokens[r] > 0 -> caller_tokens[r]--; ok = false }
  :: else
  fi
}

/* crew_run::held_up: the caller has not come any further since this was asked last. That nobody could help where each
 * task takes the result of the one before it is left out. */
inline held_up(r, ok) {
  atomic {
    ok = seen[r] == claimed[r] + (taken[r] -> TASKS + 2 : 0) && claimed[r] < TASKS;
    seen[r] = claimed[r] + (taken[r] -> TASKS + 2 : 0)
  }
}

/* crew::join. Whether the last look was just now is left open. */
inline join(me, joined) {
  lock(mutex);
  if
  :: watching = false
  :: watching = true
  fi;
  if
  :: watcher == me -> watcher = 0
  :: else
  fi;
  joined = NONE;
  q = 0;
  do
  :: q == RUNS -> break
  :: q < RUNS && !open[q] -> q++
  :: q < RUNS && open[q] ->
    if
    :: watching && wants_watch(q) ->
      held_up(q, found);
      if
      :: found -> joined = q
      :: else
      fi
    :: joined == NONE && !(watching && wants_watch(q)) ->
      visible(q, found);
      if
      :: found -> joined = q
      :: else
      fi
    :: joined != NONE && !(watching && wants_watch(q))
    fi;
    q++
  od;
  q = 0;
  found = false;
  if
  :: joined != NONE -> helpers[joined]++
  :: else
  fi;
  mutex = false
}

/* crew::run and crew_run::help */
active [POOL] proctype pool_thread() {
  byte me = _pid + 1;
  bool watching, found, ok, stop, has_run;
  byte r = NONE, q, v, made;

  started >= me || stopping;
  if
  :: started < me -> goto over
  :: else
  fi;

again:
  join(me, r);
  if
  :: r == NONE -> watching = false; goto idle
  :: else
  fi;
  atomic { assert(crew_searching > 0); crew_searching-- }

  if
  :: watching -> /* take_over */
    go_over(r);
    if
    :: stepping[r] -> watching = false
    :: else -> goto leave
    fi
  :: else
  fi;

joined:
#ifndef NO_HANDING_ON
  others_need(r, true, ok);
  if
  :: ok -> crew_notify()
  :: else
  fi;
#endif
  ok = false;

  /* help */
  if
  :: stepping[r]
  :: else -> goto leave
  fi;
search:
  searching[r]++;
  search_counted(r, me, found);
  found_or_gave_up(r, found);
  if
  :: found -> found = false
  :: else -> goto helped
  fi;
busy:
  work(r, me, has_run);
  take_own(r, me, ok);
  if
  :: ok -> ok = false; goto busy
  :: else -> goto search
  fi;
helped:
#ifndef CALLER_NOT_TOLD
  if
  :: finished(r) -> wake_caller(r)
  :: else
  fi;
#endif

leave:
  ok = false;
  crew_searching++;
  lock(mutex);
  helpers[r]--;
  mutex = false;
  r = NONE;
  if
  :: watching -> watching = false /* in vain */
  :: else -> goto again
  fi;

idle:
#ifdef LATE_SLEEPER
  others_need(NONE, false, ok);
  sleepers++;
  atomic { assert(crew_searching > 0); crew_searching-- }
  stop = stopping;
#else
#ifdef LATE_GIVING_UP
  sleepers++;
  stop = stopping;
  others_need(NONE, false, ok);
  atomic { assert(crew_searching > 0); crew_searching-- }
#else
  sleepers++;
  atomic { assert(crew_searching > 0); crew_searching-- }
  stop = stopping;
#ifdef NO_LAST_LOOK
  ok = false;
#else
  others_need(NONE, false, ok);
#endif
#endif
#endif
  if
  :: stop || ok ->
    stop_sleeping(ok);
    if
    :: ok && stop -> goto over
    :: ok && !stop -> ok = false; crew_searching++; goto again
    :: else
    fi
  :: else
  fi;
  stop = false;

  /* begin_watch: ok if we sleep for a while only */
  lock(mutex);
  ok = false;
#ifndef NOBODY_WATCHES
  if
  :: watcher == 0 ->
    q = 0;
    do
    :: q == RUNS -> break
    :: q < RUNS && open[q] && wants_watch(q) -> watcher = me; ok = true; break
    :: q < RUNS && !(open[q] && wants_watch(q)) -> q++
    od;
    q = 0
  :: else
  fi;
#endif
  mutex = false;

  if
  :: atomic { crew_tokens > 0 -> crew_tokens-- }
  :: ok && crew_tokens == 0 -> /* the time is over */
    stop_sleeping(ok);
    if
    :: ok -> crew_searching++
    :: else -> atomic { crew_tokens > 0 -> crew_tokens-- } /* released in this very moment */
    fi
  fi;
  ok = false;
  if
  :: stopping
  :: else -> goto again
  fi;
over:
  skip
}

/* crew_run::run, and crew::stop after the last run. */
active [RUNS] proctype caller() {
  byte r = _pid - POOL;
  bool found, ok, has_run;
  byte v, made;

  /* open */
  lock(mutex);
  open[r] = true;
  ok = watcher == 0;
  mutex = false;
  if
  :: go_over(r) /* it is observed */
#ifndef OBSERVED
  :: ok -> crew_notify()
  :: !ok
#endif
  fi;
  ok = false;
  if
  :: stepping[r] -> notify(r); goto steps
  :: else
  fi;

  /* run_alone */
  do
  :: true ->
    atomic {
      if
      :: taken[r] -> break
      :: else -> claimed[r]++
      fi
    }
    if
    :: claimed[r] > TASKS -> unmade[r] = 0; goto close /* set_finished */
    :: else
    fi;
    perform(r, HERE == 0);
    if
    :: go_over(r) /* it was long */
    :: true
    fi
  od;
  /* has_gone_over */
  lock(going_over[r]);
  going_over[r] = false;
  if
  :: claimed[r] > 0 -> has_run = true; work(r, 0, has_run)
  :: else
  fi;

steps:
  do
  :: finished(r) -> break
  :: else ->
    atomic { /* take_left */
      if
      :: left[r] > 0 -> left[r]--; found = true
      :: else -> found = false
      fi
    }
    if
    :: found
    :: else -> take_own(r, 0, found)
    fi;
    if
    :: found
    :: else ->
      searching[r]++;
      search_counted(r, 0, found);
      found_or_gave_up(r, found)
    fi;
    if
    :: found -> found = false; work(r, 0, has_run)
    :: else ->
      if
      :: finished(r)
      :: else -> sleep(r)
      fi
    fi
  od;

close:
  lock(mutex);
  open[r] = false;
  mutex = false;
  helpers[r] == 0;
  assert(finished(r) && roots[r] == 0 && waiting[r] == 0 && searching[r] == 0 && left[r] == 0);
  atomic { ended++; ok = ended == RUNS }
#ifdef END_IS_AN_ERROR
  assert(!ok);
#endif
  if
  :: ok ->
    lock(mutex);
    stopping = true;
    mutex = false;
    crew_tokens = crew_tokens + POOL
  :: else
  fi
}
