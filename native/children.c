/* The children that forkInto made: kill(2) and waitpid(2) are for these only. One list for the threads of the process. */
#include "netyard.h"
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST 256

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int pids[MOST]; /* 0: free, -1: taken for a child that is being made */

static int *find(int pid) {
  for (int i = 0; i < MOST; i++)
    if (pids[i] == pid) return &pids[i];
  return NULL;
}

static void replace(int from, int to) {
  pthread_mutex_lock(&lock);
  int *entry = find(from);
  if (entry != NULL) *entry = to;
  pthread_mutex_unlock(&lock);
}

bool ny_children_room(void) {
  pthread_mutex_lock(&lock);
  int *entry = find(0);
  if (entry != NULL) *entry = -1;
  pthread_mutex_unlock(&lock);
  return entry != NULL;
}

void ny_children_started(int pid) { replace(-1, pid > 0 ? pid : 0); }

static napi_value kill_child(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  int pid, number;
  if (!ny_args(env, info, 2, argv, NULL) || !ny_int32(env, argv[0], &pid) || !ny_int32(env, argv[1], &number)) return NULL;
  pthread_mutex_lock(&lock);
  int result = pid <= 0 || find(pid) == NULL ? -ESRCH : kill(pid, number) < 0 ? -errno : 0;
  pthread_mutex_unlock(&lock);
  return ny_number(env, result);
}

/* The child is reaped under the lock, so that nobody sends a signal to a number that has been given to another process. */
static napi_value wait_child(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  int pid, options, status = 0;
  if (!ny_args(env, info, 2, argv, NULL) || !ny_int32(env, argv[0], &pid) || !ny_int32(env, argv[1], &options)) return NULL;
  pthread_mutex_lock(&lock);
  bool ours = pid > 0 && find(pid) != NULL;
  pthread_mutex_unlock(&lock);
  if (!ours) return ny_number(env, -ECHILD);
  siginfo_t ended;
  if ((options & WNOHANG) == 0)
    while (waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOWAIT) < 0 && errno == EINTR) continue;
  pthread_mutex_lock(&lock);
  long got = syscall(SYS_wait4, (long)pid, &status, (long)WNOHANG, NULL);
  int error = errno;
  int *entry = find(pid);
  if (entry != NULL && (got == pid || (got < 0 && error == ECHILD))) *entry = 0;
  pthread_mutex_unlock(&lock);
  return ny_number(env, got == pid ? status : got == 0 ? -EAGAIN : -error);
}

void ny_init_children(napi_env env, napi_value exports) {
  napi_value calls;
  napi_get_named_property(env, exports, "calls", &calls);
  ny_method(env, calls, "kill", kill_child, NULL);
  ny_method(env, calls, "waitpid", wait_child, NULL);
}
