/*
 * Readiness on Node's own event loop: one uv_poll_t per descriptor. Their callbacks only note (token, events); a check
 * handle, which runs right after the poll and before immediates, hands all of them to JavaScript in one call.
 *
 * Falling asleep and being woken costs more than a packet does, so while events follow each other closely the thread looks
 * for the next one a little longer before it lets the loop sleep. It does so only after gaps that this would have
 * bridged, yields to whoever wants the processor, and stops when gaps stay longer: a quiet yard sleeps.
 */
#include "netyard.h"
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

typedef struct watch watch;

typedef struct {
  napi_env env;
  uv_loop_t *loop;
  uv_check_t check;
  napi_ref ready_ref, dispatch_ref;
  int32_t *ready; /* ours: JavaScript may take the array away, or make it smaller, at any time */
  size_t room, count;
  uint64_t batch;   /* serial number of what is being noted */
  uint32_t *missed; /* watches that found no room */
  size_t missed_count;
  watch **watches;
  size_t capacity;
  uint32_t *spare;
  size_t spares;
  size_t handles; /* libuv handles that are not closed yet, the check among them */
  napi_async_cleanup_hook_handle cleanup;
  int references; /* of JavaScript's: its object's methods */
  bool closed;
  bool changed;        /* since the last poll: the loop has yet to tell the kernel */
  uint64_t waiting_at; /* when the loop was left to itself, nanoseconds */
  uint64_t linger;     /* how long the next event is looked for */
  int misses;          /* gaps in a row that were longer than that may be */
} watcher;

/* As QEMU's iothreads have it (poll-max-ns). */
enum { MOST_LINGER_NS = 32 * 1024, FIRST_LINGER_NS = 4 * 1024, MOST_MISSES = 4 };

struct watch {
  uv_poll_t poll;
  watcher *owner;
  uint32_t index;
  int32_t token;
  uint64_t batch; /* the one in which `place` is this watch's */
  size_t place;
  int missed; /* what found no room in the array */
};

enum { READABLE = 1, WRITABLE = 2, FAILED = 4, URGENT = 8 };

/* JavaScript's methods and libuv's handles both hold on to it. */
static void free_if_unused(watcher *w) {
  if (w->handles > 0 || w->references > 0) return;
  free(w->watches);
  free(w->spare);
  free(w->missed);
  free(w->ready);
  free(w);
}

static void handle_closed(watcher *w) {
  if (--w->handles > 0) return;
  napi_remove_async_cleanup_hook(w->cleanup);
  free_if_unused(w);
}

static void watch_closed(uv_handle_t *handle) {
  watch *entry = handle->data;
  watcher *w = entry->owner;
  free(entry);
  handle_closed(w);
}

static void check_closed(uv_handle_t *handle) { handle_closed(handle->data); }

/* Once a batch, as libuv may poll several times before the check. A failure comes only once: what finds no room waits for the
 * next batch. */
static void note(watcher *w, watch *entry, int found) {
  if (entry->batch == w->batch) {
    w->ready[entry->place] |= found;
  } else if (w->count + 2 > w->room) {
    if (entry->missed == 0) w->missed[w->missed_count++] = entry->index;
    entry->missed |= found;
  } else {
    entry->batch = w->batch;
    entry->place = w->count + 1;
    w->ready[w->count] = entry->token;
    w->ready[w->count + 1] = found;
    w->count += 2;
  }
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  watch *entry = poll->data;
  int found = (events & UV_READABLE ? READABLE : 0) | (events & UV_WRITABLE ? WRITABLE : 0) | (events & UV_PRIORITIZED ? URGENT : 0);
  if (status < 0 || (events & UV_DISCONNECT)) found |= FAILED;
  note(entry->owner, entry, found);
}

/* Those that are still watched. */
static void note_missed(watcher *w) {
  size_t count = w->missed_count;
  w->missed_count = 0;
  for (size_t i = 0; i < count; i++) {
    watch *entry = w->watches[w->missed[i]];
    if (entry == NULL || entry->missed == 0) continue;
    int found = entry->missed;
    entry->missed = 0;
    note(w, entry, found);
  }
}

/* After the gap that has just ended. */
static void adapt(watcher *w) {
  uint64_t gap = uv_hrtime() - w->waiting_at;
  if (gap > MOST_LINGER_NS) {
    if (w->misses < MOST_MISSES) w->misses++;
    else w->linger = 0;
    return;
  }
  w->misses = 0;
  if (w->linger == 0) w->linger = FIRST_LINGER_NS;
  else if (gap > w->linger && w->linger < MOST_LINGER_NS) w->linger *= 2;
}

static void linger(watcher *w) {
  w->waiting_at = uv_hrtime();
  if (w->linger == 0 || w->changed || uv_backend_timeout(w->loop) == 0) return;
  struct pollfd backend = {.fd = uv_backend_fd(w->loop), .events = POLLIN};
  while (poll(&backend, 1, 0) == 0 && uv_hrtime() - w->waiting_at < w->linger) sched_yield();
}

static void drop(watcher *w, watch *entry) {
  w->watches[entry->index] = NULL;
  w->spare[w->spares++] = entry->index;
  uv_close((uv_handle_t *)&entry->poll, watch_closed);
}

static void end(watcher *w) {
  if (w->closed) return;
  w->closed = true;
  for (size_t i = 0; i < w->capacity; i++)
    if (w->watches[i] != NULL) drop(w, w->watches[i]);
  uv_close((uv_handle_t *)&w->check, check_closed);
  napi_delete_reference(w->env, w->ready_ref);
  napi_delete_reference(w->env, w->dispatch_ref);
}

/* Whether what was noted is in the array now, as it is at this moment. */
static bool hand_over(watcher *w) {
  napi_value array;
  int32_t *data;
  size_t length;
  if (napi_get_reference_value(w->env, w->ready_ref, &array) != napi_ok || array == NULL ||
      !ny_int32s(w->env, array, &data, &length) || length < w->count)
    return false;
  memcpy(data, w->ready, w->count * sizeof *data);
  return true;
}

static void dispatch(watcher *w) {
  napi_env env = w->env;
  napi_handle_scope scope;
  napi_value function, receiver, count;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  if (!hand_over(w)) {
    /* Nobody can be told any more. */
    end(w);
    napi_close_handle_scope(env, scope);
    return;
  }
  napi_create_uint32(env, (uint32_t)(w->count / 2), &count);
  w->count = 0;
  w->batch++;
  if (napi_get_reference_value(env, w->dispatch_ref, &function) == napi_ok && function != NULL) {
    napi_get_global(env, &receiver);
    if (napi_make_callback(env, NULL, receiver, function, 1, &count, NULL) == napi_pending_exception) {
      napi_value error;
      napi_get_and_clear_last_exception(env, &error);
      napi_fatal_exception(env, error);
    }
  }
  napi_close_handle_scope(env, scope);
}

static void on_check(uv_check_t *check) {
  watcher *w = check->data;
  if (w->closed) return;
  w->changed = false;
  if (w->count == 0) return;
  adapt(w);
  while (!w->closed && w->count > 0) {
    dispatch(w);
    if (!w->closed) note_missed(w);
  }
  if (!w->closed) linger(w);
}

static int to_uv(int mask) {
  return (mask & READABLE ? UV_READABLE : 0) | (mask & WRITABLE ? UV_WRITABLE : 0) | (mask & FAILED ? UV_DISCONNECT : 0) |
         (mask & URGENT ? UV_PRIORITIZED : 0);
}

/* The watcher whose method this is, whatever it was called on. */
static watcher *self(napi_env env, napi_callback_info info, size_t want, napi_value *argv) {
  void *data;
  return ny_args(env, info, want, argv, &data) ? data : NULL;
}

static watch *find(watcher *w, int64_t handle) {
  return handle < 0 || (uint64_t)handle >= w->capacity ? NULL : w->watches[handle];
}

static bool grow(watcher *w) {
  size_t capacity = w->capacity == 0 ? 64 : w->capacity * 2;
  watch **watches = realloc(w->watches, capacity * sizeof *watches);
  if (watches == NULL) return false;
  memset(watches + w->capacity, 0, (capacity - w->capacity) * sizeof *watches);
  w->watches = watches;
  uint32_t *spare = realloc(w->spare, capacity * sizeof *spare);
  if (spare == NULL) return false;
  w->spare = spare;
  uint32_t *missed = realloc(w->missed, capacity * sizeof *missed);
  if (missed == NULL) return false;
  w->missed = missed;
  for (size_t i = capacity; i > w->capacity; i--) w->spare[w->spares++] = (uint32_t)(i - 1);
  w->capacity = capacity;
  return true;
}

static napi_value add(napi_env env, napi_callback_info info) {
  napi_value argv[3];
  int fd, token, mask;
  watcher *w = self(env, info, 3, argv);
  if (w == NULL || !ny_int32(env, argv[0], &fd) || !ny_int32(env, argv[1], &token) || !ny_int32(env, argv[2], &mask))
    return NULL;
  if (w->closed) return ny_number(env, -EBADF);
  if (w->spares == 0 && !grow(w)) return ny_number(env, -ENOMEM);
  watch *entry = calloc(1, sizeof *entry);
  if (entry == NULL) return ny_number(env, -ENOMEM);
  int status = fd < 0 ? -EBADF : uv_poll_init(w->loop, &entry->poll, fd);
  if (status < 0) {
    free(entry);
    return ny_number(env, status);
  }
  entry->poll.data = entry;
  entry->owner = w;
  entry->token = token;
  entry->index = w->spare[--w->spares];
  w->watches[entry->index] = entry;
  w->handles++;
  w->changed = true;
  status = uv_poll_start(&entry->poll, to_uv(mask), on_poll);
  if (status < 0) {
    w->watches[entry->index] = NULL;
    w->spare[w->spares++] = entry->index;
    uv_close((uv_handle_t *)&entry->poll, watch_closed);
    return ny_number(env, status);
  }
  return ny_number(env, entry->index);
}

static napi_value change(napi_env env, napi_callback_info info) {
  napi_value argv[3];
  int64_t handle;
  int token, mask;
  watcher *w = self(env, info, 3, argv);
  if (w == NULL || !ny_int(env, argv[0], &handle) || !ny_int32(env, argv[1], &token) || !ny_int32(env, argv[2], &mask))
    return NULL;
  watch *entry = w->closed ? NULL : find(w, handle);
  if (entry == NULL) return ny_number(env, -EBADF);
  entry->token = token;
  w->changed = true;
  return ny_number(env, mask == 0 ? uv_poll_stop(&entry->poll) : uv_poll_start(&entry->poll, to_uv(mask), on_poll));
}

static napi_value remove_watch(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  int64_t handle;
  watcher *w = self(env, info, 1, argv);
  if (w == NULL || !ny_int(env, argv[0], &handle)) return NULL;
  watch *entry = w->closed ? NULL : find(w, handle);
  if (entry != NULL) drop(w, entry);
  return NULL;
}

static napi_value close_watcher(napi_env env, napi_callback_info info) {
  watcher *w = self(env, info, 0, NULL);
  if (w != NULL) end(w);
  return NULL;
}

static void on_cleanup(napi_async_cleanup_hook_handle hook, void *data) {
  (void)hook;
  end(data);
}

static void on_collected(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  watcher *w = data;
  if (--w->references > 0) return;
  end(w);
  free_if_unused(w);
}

/* Bound to their watcher: to ask which object one was called on costs more than the call does. */
static const struct {
  const char *name;
  napi_callback callback;
} methods[] = {{"add", add}, {"change", change}, {"remove", remove_watch}, {"close", close_watcher}};

static napi_value create(napi_env env, napi_callback_info info) {
  napi_value argv[2], result;
  int32_t *data;
  size_t count;
  if (!ny_args(env, info, 2, argv, NULL) || !ny_int32s(env, argv[0], &data, &count)) return NULL;
  if (count < 2) {
    napi_throw_type_error(env, NULL, "an Int32Array with room for a pair is wanted");
    return NULL;
  }
  napi_valuetype dispatch;
  if (napi_typeof(env, argv[1], &dispatch) != napi_ok || dispatch != napi_function) {
    napi_throw_type_error(env, NULL, "a function is wanted");
    return NULL;
  }
  watcher *w = calloc(1, sizeof *w);
  if (w != NULL) w->ready = malloc((count & ~(size_t)1) * sizeof *w->ready);
  if (w == NULL || w->ready == NULL) {
    free(w);
    return ny_number(env, -ENOMEM);
  }
  w->env = env;
  w->batch = 1;
  w->room = count & ~(size_t)1;
  napi_get_uv_event_loop(env, &w->loop);
  uv_check_init(w->loop, &w->check);
  w->check.data = w;
  w->handles = 1;
  uv_check_start(&w->check, on_check);
  uv_unref((uv_handle_t *)&w->check);
  napi_create_reference(env, argv[0], 1, &w->ready_ref);
  napi_create_reference(env, argv[1], 1, &w->dispatch_ref);
  napi_add_async_cleanup_hook(env, on_cleanup, w, &w->cleanup);
  napi_create_object(env, &result);
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
    napi_value method;
    napi_create_function(env, methods[i].name, NAPI_AUTO_LENGTH, methods[i].callback, w, &method);
    if (napi_add_finalizer(env, method, w, on_collected, NULL, NULL) == napi_ok) w->references++;
    napi_set_named_property(env, result, methods[i].name, method);
  }
  return result;
}

void ny_init_watcher(napi_env env, napi_value exports) { ny_method(env, exports, "createWatcher", create, NULL); }
