"""What such programs are promised of a server: each line with the tests that show it, or why it is not to be had.

`shown` are tests as `path::name` below tests/. `instead`: what is done here in another way, and why. `apart`: what has
to do with something else than a server's routes, requests and answers.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Promise:
    """One line of what a server's users may expect."""

    what: str
    shown: tuple[str, ...] = ()
    instead: str = ""
    apart: str = ""


CLASS = "programs/test_class_server.py::"
HOOKS = "programs/test_named_hooks.py::"
ROUTERS = "programs/test_routers_and_groups.py::"
THREAD = "programs/test_in_a_thread.py::"
SMALL = "programs/test_small_routes.py::"
ORCHESTRA = "programs/test_work_beside_requests.py::"
KEPT = "programs/test_kept_answers.py::"
PROCESSES = "programs/test_in_processes.py::"
APP = "server/test_app.py::"
SERVING = "server/test_serving.py::"
RULES = "conformance/test_rules.py::"
READERS = "conformance/test_readers.py::"
STATIC = "server/test_static.py::"
OPENAPI = "server/openapi/test_serving.py::"
PAGES = "conformance/test_browser_openapi.py::"
ROUTING = "conformance/test_documented_routing.py::"

CLIENT = "the client's"
TOOLS = (
    "a tool beside the server: logs and events of asyncio's own, data classes, command lines, ciphers, object storage"
)

A_CLASS_AND_ITS_HOOKS = (
    Promise("an application has an address and keeps connections alive", (f"{CLASS}test_the_quick_start",)),
    Promise(
        "`with web: web.runner()` runs until it is told to end, and then what is due at the end",
        (
            f"{CLASS}test_the_program_runs_until_it_is_interrupted",
            f"{SERVING}test_run_serves_until_it_is_told_to_end",
            f"{SERVING}test_with_web_runs_the_exit_hooks_whatever_happens_in_the_block",
        ),
    ),
    Promise(
        "TLS is a matter of a certificate",
        ("server/test_workers.py::test_tls",),
        instead="`tls=` takes an ssl.SSLContext; nobody is given a certificate that nobody signed",
    ),
    Promise("`await web` waits until it listens", (f"{SERVING}test_awaiting_an_application_waits_until_it_listens",)),
    Promise(
        "everything can be made before there is a loop",
        (
            "conformance/test_lifetime.py::test_app_and_session_are_made_without_a_loop_and_rebound_when_theirs_is_closed",
        ),
    ),
    Promise("the server's address can be dialled", ("server/test_running.py::test_the_address_can_be_dialled",)),
    Promise(
        "`await web.exit()` from anywhere on the loop ends it, and `run` returns",
        (
            "server/test_running.py::test_a_handler_may_end_the_application",
            "conformance/test_lifetime.py::test_run_owns_a_loop_and_returns_after_exit",
        ),
    ),
    Promise(
        "the size of pieces can be changed",
        (
            f"{STATIC}test_pieces_have_the_size_that_was_asked_for",
            f"{READERS}test_pull_in_pieces_of_one_size",
            "conformance/test_flow_control.py::test_a_client_that_reads_nothing_stops_the_handler",
        ),
        instead="by `App(limits=Limits(read_mark=, write_mark=))` and `pull(size=)`: a global that is assigned to late"
        " would change other applications too",
    ),
    Promise(
        "a class is attached: `_a_b` is /a/b and /a/b/, `__dot__` a dot, `_` is /, other methods are left alone",
        (f"{CLASS}test_the_quick_start", f"{APP}test_a_classs_methods_are_served"),
    ),
    Promise(
        "a function is a route by its name, or by the default of its `route`; its first parameter has any name",
        (f"{CLASS}test_the_quick_start", f"{APP}test_add_route_in_its_three_forms"),
    ),
    Promise("one method alone, 405 for others", (f"{APP}test_each_method_has_its_decorator",)),
    Promise(
        "a path that is a prefix of many",
        ("programs/test_in_a_thread.py::test_stacked_routes_and_the_rest_of_the_path",),
    ),
    Promise(
        "hooks ahead of all, behind all, and for what is not found; by the end of their names",
        (f"{HOOKS}test_a_hook_ahead_a_hook_behind_and_one_for_all", f"{APP}test_the_order_of_hooks"),
    ),
    Promise(
        "hooks of one kind are a chain that ends with the first answer",
        (
            f"{CLASS}test_one_request_has_one_answer_although_two_hooks_stand_for_all",
            f"{ROUTING}test_hooks_of_one_kind_are_chained_and_the_first_that_answers_ends_the_chain",
        ),
    ),
    Promise(
        "what is known of a request: method, path, target, fields in any case, addresses, length, framing",
        (
            "server/test_request.py::test_the_target_and_its_parts",
            "server/test_request.py::test_fields_and_what_is_said_of_the_body",
            "server/test_request.py::test_the_peer_and_the_scheme",
        ),
    ),
    Promise(
        "a place for the application's own data; what is misspelt is an AttributeError",
        (
            f"{RULES}test_store_is_the_applications_own",
            f"{CLASS}test_a_name_that_a_request_does_not_have_is_an_error",
            f"{RULES}test_a_typo_is_an_attribute_error",
        ),
        instead="`r.store['name']`, not `r.name`: attributes that come from data cannot be checked by anybody",
    ),
    Promise(
        "the query or the JSON body by one call; 400 for bad JSON",
        (f"{CLASS}test_the_hook_ahead_has_the_data_of_every_request",),
    ),
    Promise(
        "JSON, the query, forms with files, text, cookies",
        (f"{HOOKS}test_the_ways_to_read_a_request", "server/test_added.py::test_cookies_that_came"),
    ),
    Promise(
        "a body by pieces, without its framing, when it is asked for",
        (
            f"{HOOKS}test_a_body_comes_without_its_framing_and_in_the_pieces_that_arrive",
            "conformance/test_flow_control.py::test_a_handler_that_reads_nothing_stops_the_peers_socket",
        ),
        instead="bytes with their framing are for `upgrade()`: whoever read them could not tell where a request ends",
    ),
    Promise(
        "a head with fields of any kind: numbers are text, None is left out, lists repeat, CR and LF are refused",
        (
            f"{HOOKS}test_a_body_comes_without_its_framing_and_in_the_pieces_that_arrive",
            f"{RULES}test_headers_ignore_case_repeat_and_drop_none",
            f"{RULES}test_a_server_sends_no_bad_header_value_name_or_reason",
            "protocol/test_fields.py::test_a_foreign_type_is_refused_by_name",
        ),
        instead="an object is refused, not sent as its repr: that tells strangers where it lies in memory",
    ),
    Promise(
        "framing by length or chunks, events and codings by the fields or the call; a coded body is one stream",
        (
            "conformance/test_messages.py::test_complete_tells_the_framings_apart",
            "conformance/test_codings_end_to_end.py::test_what_goes_over_the_wire_is_the_librarys_format",
            "server/test_sse.py::test_the_head_leaves_at_once_and_says_what_this_is",
        ),
        instead="`prepare(coding=)`, `r.sse()`: a content-encoding among the fields says that the bytes have it",
    ),
    Promise(
        "HEAD ends the handler at its first write",
        (
            "conformance/test_messages.py::test_head_204_and_304_have_no_body_and_keep_the_connection",
            "server/test_routing.py::test_405_404_and_head_over_the_wire",
        ),
    ),
    Promise(
        "write, write_chunked, eof with last data; an empty write is no end, the end is sent once",
        (
            f"{HOOKS}test_an_empty_piece_is_no_end_and_the_end_is_sent_once",
            f"{RULES}test_eof_with_data_and_no_prepare_is_a_whole_200",
            f"{RULES}test_write_chunked_after_a_promised_length_is_an_error",
        ),
    ),
    Promise(
        "fields and cookies ahead of the head",
        (
            "server/test_added.py::test_they_go_out_with_every_kind_of_head",
            "server/test_added.py::test_a_line_may_be_added_as_it_stands_on_the_wire",
        ),
    ),
    Promise(
        "writers wait where buffers are full",
        ("conformance/test_flow_control.py::test_a_client_that_reads_nothing_stops_the_handler",),
    ),
    Promise(
        "gzip, br and more",
        ("conformance/test_codings_end_to_end.py::test_a_coded_answer_is_decoded_while_it_streams",),
    ),
    Promise(
        "no request vanishes, and no body is taken for one",
        (
            "conformance/test_messages.py::test_pipelined_requests_behind_a_streamed_body",
            "conformance/reliability/test_traps.py::test_trap",
            "server/test_bodies.py::test_parameters_wherever_they_are",
        ),
    ),
    Promise(
        "who leaves cancels his handler, unless a block is shielded; writes behind that raise",
        (
            "conformance/test_disconnects.py::test_a_reset_cancels_a_waiting_handler",
            "conformance/test_disconnects.py::test_a_shield_defers_the_cancellation_to_its_end",
            "conformance/test_disconnects.py::test_every_write_and_read_after_the_disconnect_raises_too",
        ),
    ),
    Promise(
        "answers of a kind, without naming the request, in sub-tasks too",
        (
            f"{CLASS}test_the_quick_start",
            "conformance/test_lifetime.py::test_deliver_knows_the_current_request_awaited_or_returned",
            f"{ROUTERS}test_what_a_handler_returns",
        ),
        instead="any other content type by `Reply(content_type=)`, not by a method's name",
    ),
    Promise(
        "Abort(message, status, headers); with an empty message it has a length of 0",
        (
            f"{CLASS}test_a_redirect_without_a_body_says_so_and_leads_to_the_address",
            f"{RULES}test_abort_is_an_answer_with_a_length",
        ),
    ),
    Promise(
        "a site of files with pages: home, names without endings, ranges, validators, GET and HEAD alone, no way out",
        (
            f"{CLASS}test_the_quick_start",
            f"{STATIC}test_pages_have_names_without_an_ending",
            f"{STATIC}test_parts",
            f"{STATIC}test_validators",
            f"{STATIC}test_other_methods_are_405",
            f"{STATIC}test_what_is_no_file_of_the_folder_is_404",
        ),
    ),
    Promise(
        "one file, to be shown or saved, with fields of its own",
        ("server/test_files.py::test_names_and_types", "server/test_files.py::test_fields_that_the_handler_gave_count"),
    ),
    Promise(
        "two peers stream to each other through their requests",
        (
            "examples/test_signaling.py::test_200_runs_complete",
            "examples/test_signaling.py::test_death_while_streaming",
            "conformance/test_duplex.py::test_handler_b_reads_request_a_after_handler_a_returned",
        ),
    ),
    Promise(
        "nothing idle costs, nothing dead stays, memory is bounded",
        (
            "conformance/test_idle.py::test_an_idle_connection_holds_less_than_a_kibibyte",
            "conformance/test_memory_bound.py::test_256_mib_cost_less_than_32",
        ),
    ),
    Promise("custom protocols", ("conformance/test_messages.py::test_upgrade_on_the_server_is_a_raw_duplex_stream",)),
    Promise("sessions that ask, upload, download and follow", apart=CLIENT),
    Promise("dictionaries with attributes, events, timers, error blocks, marked parameters, ciphers", apart=TOOLS),
)

A_ROUTER_AND_GROUPS = (
    Promise("a router, a function, a server", (f"{ROUTERS}test_the_first_program",)),
    Promise(
        "a builder that checks what it is given",
        (f"{ROUTERS}test_the_first_program", "server/test_templates.py::test_a_directory_that_is_none_is_told_at_once"),
        instead="`App(host, port, templates=, access_log=, ...)`: keywords say the same, and a type checker reads them",
    ),
    Promise(
        "run, start and stop",
        (f"{SERVING}test_serve_runs_until_exit", f"{SERVING}test_stop_ends_it_from_another_thread"),
    ),
    Promise(
        "routes with `:name`, by decorators or a table; static ones first, any last slash; clashes are told",
        (f"{ROUTERS}test_parameters_static_paths_and_clashes", "server/test_binding.py::test_trailing_slashes"),
        instead="a last slash matters unless `App(trailing_slash='ignore')` or 'redirect': one address is one page",
    ),
    Promise("sub-routers under their prefix", (f"{ROUTERS}test_a_router_of_users_in_a_module_of_its_own",)),
    Promise(
        "groups are served as they are made, with what stands around them",
        (
            f"{ROUTERS}test_the_order_of_middlewares_is_application_group_route",
            f"{ROUTING}test_a_group_with_a_middleware_is_served_without_being_included_by_hand",
        ),
    ),
    Promise(
        "middlewares are decorators; application, group, route, in this order, whenever they are added",
        (
            f"{ROUTERS}test_the_order_of_middlewares_is_application_group_route",
            f"{ROUTERS}test_strangers_are_kept_out_of_the_dashboard",
            f"{ROUTING}test_a_global_middleware_that_is_added_after_the_route_is_around_it",
            f"{ROUTING}test_a_table_of_routes_and_a_middleware_for_one_of_them",
        ),
    ),
    Promise(
        "plain functions hold up nobody",
        (f"{THREAD}test_a_function_that_blocks_is_waited_for_elsewhere",),
        instead="where they say `thread=True`: a thread for each would cost every function what one needs",
    ),
    Promise(
        "a handler returns text, JSON, bytes, or an answer",
        (f"{ROUTERS}test_what_a_handler_returns", f"{ROUTERS}test_a_value_that_says_nothing_of_its_form_is_a_fault"),
        instead="text that begins with '<' stays text, for a visitor may have begun it; other objects are an error",
    ),
    Promise(
        "what is known of a request: raw and parsed body, raw and parsed query, fields in any case, data of its own",
        (f"{ROUTERS}test_what_is_known_of_a_request", f"{ROUTERS}test_strangers_are_kept_out_of_the_dashboard"),
    ),
    Promise(
        "an answer's body, status, content type and fields",
        (
            f"{ROUTERS}test_what_a_handler_returns",
            "server/test_connection.py::test_every_answer_has_a_date_unless_it_brings_one",
        ),
        instead="an answer is made in one go by `Reply`; what is added later is `r.add_header`",
    ),
    Promise(
        "helpers for a file, JSON, text, HTML, XML, a redirect, an error, nothing",
        (f"{ROUTERS}test_what_a_handler_returns", f"{ROUTERS}test_a_file_is_an_answer"),
    ),
    Promise(
        "errors by name, from handlers and middlewares, and new ones by subclassing",
        (
            f"{ROUTERS}test_errors_are_answers_wherever_they_are_raised",
            f"{ROUTERS}test_errors_of_ones_own",
            "server/test_abort.py::test_subclassing_makes_new_ones",
        ),
    ),
    Promise("templates in a folder", (f"{ROUTERS}test_a_profile_is_rendered",)),
    Promise(
        "a log on the console and in a file, from a level on",
        (
            f"{THREAD}test_a_handler_logs_as_it_runs",
            "logs/test_outlet.py::test_what_is_logged_is_in_the_file_when_the_block_ends",
            "logs/test_outlet.py::test_a_level",
        ),
    ),
    Promise("a folder of static files", (f"{ROUTERS}test_a_folder_of_static_files",)),
    Promise(
        "408, 413 or 431, 400, 405 with Allow, OPTIONS, HEAD, CONNECT",
        (
            f"{ROUTERS}test_options_head_and_connect",
            "server/test_connection.py::test_a_body_that_drips_is_a_408",
            "conformance/reliability/test_traps.py::test_connect_not_taken",
            "server/test_binding.py::test_405_and_options",
        ),
        instead="an idle connection is closed without a word: a 408 could be taken for the answer to the next request",
    ),
    Promise(
        "chunks, compression, cookies and ranges, which were missing",
        (
            f"{HOOKS}test_the_ways_to_read_a_request",
            f"{THREAD}test_text_is_compressed_unless_it_is_short",
            f"{SMALL}test_cookies_go_out_and_come_back",
            f"{STATIC}test_parts",
        ),
    ),
    Promise(
        "answers that are kept",
        (
            f"{SMALL}test_files_are_cached_and_what_is_missing_is_404",
            f"{KEPT}test_a_slow_page_is_made_once_for_each_path",
        ),
    ),
    Promise(
        "tasks in the background, by a bounded number of threads",
        (
            f"{ORCHESTRA}test_a_task_that_is_submitted",
            f"{ORCHESTRA}test_a_handler_submits_and_answers",
            f"{ORCHESTRA}test_no_more_threads_than_were_asked_for",
            "server/test_working.py::test_what_is_handed_in_is_a_task_with_a_name",
            "server/jobs/test_after.py::test_it_runs_once_the_answer_is_out_and_holds_nothing_up",
        ),
        instead="from a start hook rather than before the start: where there are workers, each would do it",
    ),
    Promise(
        "tasks by the clock, with fields from second to year",
        (
            f"{ORCHESTRA}test_tasks_by_the_fields_of_a_calendar",
            "server/jobs/test_times.py::test_fields_above_the_lowest_one_are_any_and_those_below_it_their_first",
            "server/jobs/test_times.py::test_the_clock_is_put_forward_or_back",
            "server/test_workers.py::test_a_job_runs_in_one_worker_and_in_another_one_when_that_is_gone",
        ),
    ),
    Promise(
        "their start and their end are the server's",
        (
            f"{ORCHESTRA}test_the_server_starts_and_ends_them",
            "server/test_working.py::test_what_is_under_way_has_the_grace_and_is_then_cancelled_by_name",
        ),
    ),
    Promise(
        "a program that is reloaded when its source changes",
        (
            "server/test_reloading.py::test_a_change_replaces_the_program_and_nobody_is_refused",
            "server/test_reloading.py::test_an_open_stream_holds_up_nobody",
        ),
    ),
    Promise(
        "a page to try an interface out, and its description, by one switch and not in production",
        (
            f"{ROUTERS}test_development_mode",
            f"{PAGES}test_the_page_shows_the_interface",
            f"{PAGES}test_operations_are_tried_out",
            f"{OPENAPI}test_where_it_is_to_be_had",
            f"{OPENAPI}test_nothing_comes_from_elsewhere",
        ),
    ),
    Promise(
        "docstrings' sections describe parameters and answers",
        (f"{ROUTERS}test_development_mode", "server/openapi/test_docstrings.py::test_the_sections_of_each_dialect"),
    ),
)

BESIDE_OTHER_WORK = (
    Promise("an application, a function, JSON", (f"{THREAD}test_the_first_program",)),
    Promise(
        "several loops on one socket",
        ("server/test_workers.py::test_workers_share_a_port_that_was_free",),
        instead="`run(workers=N)`: processes, since threads of one interpreter take turns",
    ),
    Promise(
        "it runs in any thread, is ended from any, and closes its socket",
        (f"{THREAD}test_a_server_in_a_thread_and_its_end", f"{SERVING}test_stop_ends_it_from_another_thread"),
    ),
    Promise("stacked decorators and the rest of a path", (f"{THREAD}test_stacked_routes_and_the_rest_of_the_path",)),
    Promise(
        "fields on every answer, errors included; no server field unless it is wanted",
        (
            f"{THREAD}test_fields_on_every_answer",
            f"{THREAD}test_they_are_on_the_answer_to_what_is_no_request_too",
            f"{THREAD}test_the_server_says_nothing_of_itself_unless_it_is_told_to",
        ),
    ),
    Promise(
        "compression by default; least size, level and types can be said",
        (
            f"{THREAD}test_text_is_compressed_unless_it_is_short",
            f"{THREAD}test_a_route_has_rules_of_its_own",
            "server/test_compression.py::test_where_a_secret_could_leak_nothing_is_coded_by_itself",
        ),
    ),
    Promise("a function that blocks, awaited", (f"{THREAD}test_a_function_that_blocks_is_waited_for_elsewhere",)),
    Promise(
        "cache-control, CORS, colours, an access log",
        (
            f"{STATIC}test_cache_control",
            "server/test_access_log.py::test_each_exchange_is_a_line",
            "server/test_access_log.py::test_the_formats_for_people_are_escaped",
            "logs/test_console.py::test_colors",
        ),
    ),
    Promise(
        "answers kept in memory, in files, on another server, by path and the parameters that matter",
        (
            f"{KEPT}test_a_slow_page_is_made_once_for_each_path",
            "server/cache/test_redis.py::test_an_application_with_it",
            "server/cache/test_memory.py::test_the_one_not_used_for_longest_goes_first",
            "server/cache/test_folder.py::test_processes_share_a_folder",
        ),
    ),
    Promise(
        "a cache for some requests and some answers; the function without it; what is forgotten",
        (
            f"{KEPT}test_it_is_for_some_requests_some_answers_and_as_long_as_is_said",
            f"{KEPT}test_the_function_without_its_cache_and_an_entry_that_is_forgotten",
            f"{KEPT}test_nothing_is_kept_unless_a_function_says_so_and_nothing_at_all_if_that_is_wanted",
            "server/cache/test_many_visitors.py::test_a_visitor_has_no_say_unless_it_is_given_to_him",
        ),
        instead="a key is made of what was asked for, and never of a function's name: two pages would be one",
    ),
)

A_FEW_ROUTES = (
    Promise(
        "each function runs where it was told to: on the loop, awaited, in a thread",
        (f"{SMALL}test_each_function_runs_where_it_was_told_to",),
    ),
    Promise(
        "wildcards, with what is static first",
        (f"{SMALL}test_wildcards_come_in_their_order_or_by_their_names",),
        instead="by their names, and over several segments where they say `path`",
    ),
    Promise("verbs of one path", (f"{SMALL}test_verbs_of_one_path_have_functions_of_their_own",)),
    Promise("triggers ahead of a route and behind it", (f"{SMALL}test_triggers_ahead_of_a_route_and_behind_it",)),
    Promise(
        "a function that yields is a stream, and is told when its reader leaves",
        (
            f"{SMALL}test_a_function_that_yields_is_a_stream",
            f"{SMALL}test_a_stream_ends_where_it_is_when_its_reader_leaves",
            "server/test_streams.py::test_pieces_are_asked_for_when_the_last_one_was_sent",
        ),
    ),
    Promise(
        "forms, and a template that escapes what it is not told to leave: a message board",
        (f"{SMALL}test_a_message_board",),
    ),
    Promise(
        "cookies, and signed ones",
        (f"{SMALL}test_cookies_go_out_and_come_back", f"{SMALL}test_a_signed_cookie_cannot_be_made_by_a_visitor"),
    ),
    Promise(
        "files with a time for caches; 404 for those that are not there; small ones in memory",
        (
            f"{SMALL}test_files_are_cached_and_what_is_missing_is_404",
            "server/test_static_folder.py::test_what_is_small_is_in_memory_and_what_is_large_is_opened",
        ),
    ),
    Promise(
        "pages of one's own for 404, 500 and 503; nothing of an exception is shown",
        (f"{SMALL}test_nothing_of_a_failure_is_shown_and_its_page_is_ones_own",),
    ),
    Promise(
        "uploads, entity tags, HTTPS: once on a list of wishes",
        (
            f"{HOOKS}test_the_ways_to_read_a_request",
            f"{STATIC}test_validators",
            "server/test_workers.py::test_tls",
        ),
    ),
    Promise(
        "a handler, or a stream, in another process; which of them this is",
        (
            f"{PROCESSES}test_three_kinds_of_routes_side_by_side",
            f"{PROCESSES}test_ctrl_c_goes_to_all_of_them_and_is_one_graceful_end",
            f"{PROCESSES}test_each_worker_has_processes_of_its_own",
            f"{PROCESSES}test_nobody_outlives_a_server_that_was_killed",
            f"{PROCESSES}test_a_program_without_a_guard_is_told_of_it",
            f"{PROCESSES}test_a_handler_below_the_guard_is_not_there_in_another_process",
            "server/processes/test_pools.py::test_a_stream_comes_piece_by_piece",
            "server/processes/test_pools.py::test_a_reader_that_takes_nothing_holds_it_up_and_one_that_leaves_ends_it",
            "server/processes/test_pools.py::test_a_handler_that_takes_too_long_is_503",
        ),
        instead="where it says `process=True`; most handlers wait for something, and the loop is where that is free",
    ),
    Promise("other servers' interfaces", apart="ASGI and WSGI"),
)

EVERYTHING = (*A_CLASS_AND_ITS_HOOKS, *A_ROUTER_AND_GROUPS, *BESIDE_OTHER_WORK, *A_FEW_ROUTES)
