/* Giving up rights for good: what a thread gives up its own way only binds that thread, so the program starts anew with less. */
#include "netyard.h"
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_WORDS 4096
#define MAX_TEXT (128 * 1024) /* MAX_ARG_STRLEN */
#define CAPABILITIES 64

extern char **environ;

static char *text_of(napi_env env, napi_value value) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, NULL, 0, &length) != napi_ok || length >= MAX_TEXT) {
    napi_throw_type_error(env, NULL, "a string is wanted, shorter than 128 KiB");
    return NULL;
  }
  char *text = malloc(length + 1);
  if (text == NULL || napi_get_value_string_utf8(env, value, text, length + 1, &length) != napi_ok || strlen(text) != length) {
    free(text);
    napi_throw_type_error(env, NULL, "the string has a NUL");
    return NULL;
  }
  return text;
}

static void release(char **words) {
  for (char **word = words; words != NULL && *word != NULL; word++) free(*word);
  free(words);
}

static char **words_of(napi_env env, napi_value list) {
  uint32_t count = 0;
  if (napi_get_array_length(env, list, &count) != napi_ok || count == 0 || count > MAX_WORDS) {
    napi_throw_type_error(env, NULL, "an array of 1 to 4096 strings is wanted");
    return NULL;
  }
  char **words = calloc(count + 1, sizeof *words);
  if (words == NULL) return NULL;
  for (uint32_t i = 0; i < count; i++) {
    napi_value item;
    if (napi_get_element(env, list, i, &item) != napi_ok || (words[i] = text_of(env, item)) == NULL) {
      release(words);
      return NULL;
    }
  }
  return words;
}

/* The bounding set needs CAP_SETPCAP: without it there is nothing in it that could be gained once no_new_privs is set. */
static int give_up(uint64_t keep) {
  for (int c = 0; c < CAPABILITIES; c++)
    if ((keep >> c & 1) == 0) prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2];
  if (syscall(SYS_capget, &header, data) < 0) return -errno;
  for (int i = 0; i < 2; i++) {
    data[i].permitted &= (uint32_t)(keep >> (32 * i));
    data[i].inheritable &= data[i].permitted;
    data[i].effective = data[i].permitted;
  }
  if (syscall(SYS_capset, &header, data) < 0) return -errno;
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

/* restart(keep, path, argv): nothing is given up for a path that cannot be executed. */
static napi_value restart(napi_env env, napi_callback_info info) {
  napi_value argv[3];
  int64_t keep;
  if (!ny_args(env, info, 3, argv, NULL) || !ny_int(env, argv[0], &keep)) return NULL;
  if (keep < 0) {
    napi_throw_range_error(env, NULL, "a set of capabilities is no negative number");
    return NULL;
  }
  char *path = text_of(env, argv[1]);
  if (path == NULL) return NULL;
  char **words = words_of(env, argv[2]);
  if (words == NULL) {
    free(path);
    return NULL;
  }
  int result = path[0] != '/' ? -ENOENT : access(path, X_OK) < 0 ? -errno : give_up((uint64_t)keep);
  if (result == 0) {
    execve(path, words, environ);
    result = -errno;
  }
  free(path);
  release(words);
  return ny_number(env, result);
}

void ny_init_privileges(napi_env env, napi_value exports) { ny_method(env, exports, "restart", restart, NULL); }
