/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json.h>
#include <string.h>

#include "ability.h"
#include "util.h"

/* bpf-helpers(7) says what each of them does. The grave ones come first, the order is that in which
 * people want to read them. What every program does (maps, time, arithmetic) is not here. */
static const struct ability abilities[] = {
        {true, "write into the memory of the process that runs it", "probe_write_user"},
        {true, "make functions of the kernel fail or return something else", "override_return"},
        {true, "send signals to the process that runs it", "send_signal send_signal_thread"},
        {true, "send signals to any process", "bpf_send_signal_task"},
        {true, "call bpf() itself: load programs and change maps", "sys_bpf sys_close"},
        {true, "change what a system call or a security check answers", "set_retval"},
        {true, "look up addresses of the kernel", "kallsyms_lookup_name"},
        {true, "kill or replace what is executed", "bprm_opts_set"},
        {true, "change values written to sysctl", "sysctl_set_new_value"},
        {true, "change the contents of packets",
         "skb_store_bytes xdp_store_bytes msg_push_data msg_pop_data msg_pull_data l3_csum_replace "
         "l4_csum_replace store_hdr_opt lwt_seg6_store_bytes bpf_dynptr_slice_rdwr"},
        {true, "send packets another way, or copies of them",
         "redirect redirect_map redirect_neigh redirect_peer clone_redirect sk_redirect_map "
         "sk_redirect_hash msg_redirect_map msg_redirect_hash"},
        {true, "choose which socket gets a packet or a connection",
         "sk_assign sk_select_reuseport bpf_sk_assign_tcp_reqsk"},
        {true, "decide how the processor is scheduled", "scx_bpf_*"},
        {true, "press keys of a remote control", "rc_keydown rc_repeat rc_pointer_rel"},

        {false, "read the memory of the process that runs it: arguments, buffers, secrets",
         "probe_read_user probe_read_user_str copy_from_user bpf_copy_from_user_str "
         "bpf_probe_read_user_dynptr bpf_probe_read_user_str_dynptr bpf_copy_from_user_dynptr "
         "bpf_copy_from_user_str_dynptr"},
        {false, "read the memory of any process",
         "copy_from_user_task bpf_copy_from_user_task_str bpf_copy_from_user_task_dynptr "
         "bpf_copy_from_user_task_str_dynptr"},
        {false, "read any memory, of processes or of the kernel", "probe_read probe_read_str"},
        {false, "read any memory of the kernel",
         "probe_read_kernel probe_read_kernel_str bpf_probe_read_kernel_dynptr "
         "bpf_probe_read_kernel_str_dynptr bpf_rdonly_cast"},
        {false, "change the size and the headers of packets",
         "skb_adjust_room skb_change_* xdp_adjust_* skb_vlan_push skb_vlan_pop lwt_push_encap "
         "lwt_seg6_adjust_srh lwt_seg6_action reserve_hdr_opt skb_ecn_set_ce"},
        {false, "read packets",
         "skb_load_bytes skb_load_bytes_relative xdp_load_bytes skb_pull_data load_hdr_opt "
         "bpf_dynptr_from_skb bpf_dynptr_from_xdp bpf_xdp_metadata_*"},
        {false, "pass packets to user space", "skb_output xdp_output"},
        {false, "change tunnels of packets", "skb_set_tunnel_key skb_set_tunnel_opt"},
        {false, "read tunnels and IPsec state of packets",
         "skb_get_tunnel_key skb_get_tunnel_opt skb_get_xfrm_state bpf_xdp_get_xfrm_state"},
        {false, "mark packets and set when they are sent",
         "set_hash set_hash_invalid skb_set_tstamp"},
        {false, "set options of sockets", "setsockopt sock_ops_cb_flags_set"},
        {false, "read options of sockets", "getsockopt"},
        {false, "bind sockets to addresses", "bind"},
        {false, "look up sockets", "sk_lookup_* skc_lookup_* bpf_sk_lookup_*"},
        {false, "look into sockets and their connections",
         "tcp_sock sk_fullsock skc_to_* get_listener_sock sock_from_file get_socket_cookie "
         "get_socket_uid"},
        {false, "look up and change tracked connections", "bpf_ct_* bpf_skb_ct_* bpf_xdp_ct_*"},
        {false, "look up routes", "fib_lookup check_mtu get_route_realm"},
        {false, "answer connection attempts in the kernel's place",
         "tcp_gen_syncookie tcp_check_syncookie tcp_raw_gen_syncookie_* "
         "tcp_raw_check_syncookie_* tcp_send_ack"},
        {false, "read what the kernel traces: stacks and registers",
         "get_stackid get_stack get_task_stack task_pt_regs get_branch_snapshot "
         "read_branch_records get_func_arg get_func_ret get_func_arg_cnt get_func_ip"},
        {false, "read performance counters",
         "perf_event_read perf_event_read_value perf_prog_read_value"},
        {false, "see which process, user and command runs it",
         "get_current_pid_tgid get_current_uid_gid get_current_comm get_current_task "
         "get_current_task_btf get_ns_current_pid_tgid bpf_task_from_pid bpf_task_from_vpid "
         "bpf_task_acquire"},
        {false, "see in which control group it is run",
         "get_current_cgroup_id get_current_ancestor_cgroup_id get_cgroup_classid skb_cgroup_id "
         "skb_cgroup_classid sk_cgroup_id current_task_under_cgroup skb_under_cgroup "
         "bpf_cgroup_from_id bpf_task_under_cgroup"},
        {false, "see paths and contents' hashes of files",
         "d_path ima_inode_hash ima_file_hash bpf_path_d_path bpf_get_file_xattr "
         "bpf_get_dentry_xattr"},
        {false, "change attributes of files", "bpf_set_dentry_xattr bpf_remove_dentry_xattr"},
        {false, "see values of sysctl",
         "sysctl_get_name sysctl_get_current_value sysctl_get_new_value"},
        {false, "look through the memory map of a process", "find_vma bpf_iter_task_vma_*"},
        {false, "pass events to user space",
         "perf_event_output ringbuf_output ringbuf_submit ringbuf_submit_dynptr seq_write "
         "seq_printf seq_printf_btf"},
        {false, "take messages from user space", "user_ringbuf_drain"},
        {false, "write to the kernel's trace log", "trace_printk trace_vprintk"},
        {false, "run other programs of a map", "tail_call"},
        {false, "run later, by a timer", "timer_start bpf_wq_start"},
        {false, "remember things of sockets, files, processes and control groups",
         "sk_storage_* inode_storage_* task_storage_* cgrp_storage_* get_local_storage"},
        {false, "encrypt and decrypt data", "bpf_crypto_encrypt bpf_crypto_decrypt"},
        {false, "verify signatures", "bpf_verify_pkcs7_signature"},
};

/* include/uapi/linux/bpf.h has the types, as the kernel's BTF names them; case is lowered. */
static const struct {
        const char *type, *words;
} types[] = {
        {"socket_filter", "sees what a socket receives, and says how much of it"},
        {"kprobe", "runs whenever a certain function of the kernel or of a program does"},
        {"tracepoint", "runs whenever the kernel comes to a certain point"},
        {"raw_tracepoint", "runs whenever the kernel comes to a certain point"},
        {"raw_tracepoint_writable",
         "runs whenever the kernel comes to a certain point, and may change what is told there"},
        {"perf_event", "runs with each sample of a performance counter or clock"},
        {"tracing", "runs whenever a certain function of the kernel does"},
        {"lsm", "is asked about actions of processes, and may forbid them"},
        {"xdp", "sees each packet that a network interface receives before the rest of the kernel "
                "does, and may drop, change or redirect it"},
        {"sched_cls", "sees each packet of a network interface, and may drop, change or redirect "
                      "it"},
        {"sched_act", "acts on packets that a traffic control filter chose"},
        {"cgroup_skb", "sees the packets of the processes in a control group, and may drop them"},
        {"cgroup_sock", "is asked when a process in a control group makes, binds or closes a "
                        "socket, and may forbid it"},
        {"cgroup_sock_addr", "is asked when a process in a control group binds, connects or "
                             "sends, and may change the address or forbid it"},
        {"cgroup_device", "decides which devices the processes in a control group may use"},
        {"cgroup_sysctl", "is asked when a process in a control group reads or writes a sysctl"},
        {"cgroup_sockopt", "is asked when a process in a control group reads or sets an option "
                           "of a socket, and may change it"},
        {"sock_ops", "follows the TCP connections of a control group, and may tune them"},
        {"sk_skb", "sees what sockets of a map receive, and may redirect or drop it"},
        {"sk_msg", "sees what sockets of a map send, and may redirect or drop it"},
        {"sk_reuseport", "chooses which of several sockets of a port gets a packet"},
        {"sk_lookup", "chooses which socket gets a new connection"},
        {"flow_dissector", "reads addresses and ports out of packets in the kernel's place"},
        {"lwt_in", "sees packets that come by a certain route"},
        {"lwt_out", "sees packets that leave by a certain route"},
        {"lwt_xmit", "sees packets that leave by a certain route, and may change or redirect them"},
        {"lwt_seg6local", "handles packets of IPv6 segment routing"},
        {"lirc_mode2", "decodes the signals of an infrared receiver"},
        {"netfilter", "sees packets where the firewall does, and may drop them"},
        {"struct_ops", "takes the place of a part of the kernel, such as TCP's congestion control "
                       "or the scheduler"},
        {"ext", "takes the place of a function of another BPF program"},
        {"syscall", "runs when somebody asks for it, and may call bpf() itself"},
};

/* Whether one of the names in a list is it. */
static bool is_in(const char *list, const char *call) {
        size_t length = strlen(call);

        for (const char *s = list; *s;) {
                size_t n = strcspn(s, " ");
                bool any = s[n - 1] == '*';

                if (any ? length >= n - 1 && strncmp(s, call, n - 1) == 0
                        : length == n && strncmp(s, call, n) == 0)
                        return true;
                s += n + strspn(s + n, " ");
        }

        return false;
}

const struct ability *ability_all(size_t *ret_n) {
        *ret_n = ELEMENTSOF(abilities);
        return abilities;
}

const struct ability *ability_of(const char *call) {
        static const char prefix[] = "bpf_";
        const char *bare = strncmp(call, prefix, strlen(prefix)) == 0 ? call + strlen(prefix)
                                                                      : call;

        for (size_t i = 0; i < ELEMENTSOF(abilities); i++)
                if (is_in(abilities[i].calls, call) || is_in(abilities[i].calls, bare))
                        return &abilities[i];

        return NULL;
}

static void mark(bool *found, struct json_object *calls) {
        size_t n = json_object_is_type(calls, json_type_array) ? json_object_array_length(calls)
                                                               : 0;

        for (size_t i = 0; i < n; i++) {
                const char *call = json_object_get_string(json_object_array_get_idx(calls, i));
                const struct ability *a = call ? ability_of(call) : NULL;
                if (a)
                        found[a - abilities] = true;
        }
}

size_t ability_find(struct json_object *helpers, struct json_object *kfuncs,
                    const struct ability **ret) {
        _Static_assert(ELEMENTSOF(abilities) <= ABILITIES_MAX, "more than callers have room for");
        bool found[ELEMENTSOF(abilities)] = {};
        size_t n = 0;

        mark(found, helpers);
        mark(found, kfuncs);
        for (size_t i = 0; i < ELEMENTSOF(abilities); i++)
                if (found[i])
                        ret[n++] = &abilities[i];

        return n;
}

const char *ability_of_type(const char *prog_type) {
        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                if (strcmp(types[i].type, prog_type) == 0)
                        return types[i].words;

        return NULL;
}
