{
  "targets": [
    {
      "target_name": "netyard",
      "sources": ["<!@(ls *.c)"],
      "defines": ["NAPI_VERSION=8"],
      "cflags": ["-std=c11", "-O2", "-Wall", "-Wextra", "-fvisibility=hidden"]
    }
  ]
}
