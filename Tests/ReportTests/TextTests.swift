import Foundation
import Quantities
import Simulation
import Studies
import Testing

@testable import Report

@Suite("Result file")
struct ResultFileTests {
    /// Keys in the order in which they stand in the text.
    private func keys(of text: String, depth: Int) -> [String] {
        text.split(separator: "\n").compactMap { line in
            let indent = line.prefix { $0 == " " }.count
            guard indent == 2 * depth, line.dropFirst(indent).first == "\"" else { return nil }
            return line.dropFirst(indent + 1).split(separator: "\"").first.map(String.init)
        }
    }

    @Test("the keys stand in the documented order and the file is JSON")
    func order() throws {
        let text = try Fixture.report().json()
        // The order in which a reader expects them; assumptions stand at the end.
        #expect(
            keys(of: text, depth: 1) == [
                "scenario", "hash", "version", "seed", "valid", "warnings", "step", "breakdown_s", "overlapped_comm_s", "memory",
                "traffic_bytes", "run",
                "bill", "evidence", "assumptions",
            ])
        #expect(
            keys(of: text, depth: 2) == [
                "time_s", "tokens_per_s", "tokens_per_s_per_gpu", "samples_per_s", "model_tflops_per_gpu", "hardware_tflops_per_gpu", "mfu",
                "hfu",
                "mfu_causal", "utilization", "forward", "backward", "recompute", "optimizer", "tensor_comm", "sequence_comm",
                "context_comm", "expert_comm",
                "pipeline_comm", "data_comm", "offload_comm", "bubble", "straggler_wait", "input_stall", "launch", "other", "peak_bytes",
                "capacity_bytes",
                "fits",
                "by_stage", "parameters", "gradients", "optimizer", "activations", "buffers", "fragmentation", "nvlink", "network",
                "by_group", "steps",
                "tokens", "wall_clock_s", "goodput", "lost_s", "total_usd", "compute_usd", "energy_usd", "storage_usd", "network_usd",
                "usd_per_million_tokens", "gpu_hours", "energy_kwh", "carbon_kg", "measured", "interpolated", "formula", "step_time_error",
            ])
        let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(object["scenario"] as? String == "llama3-405b-16k")
        let step = try #require(object["step"] as? [String: Any])
        #expect((step["time_s"] as? [String: Any])?["mean"] as? Double == 5)
        let breakdown = try #require(object["breakdown_s"] as? [String: Double])
        #expect(breakdown.values.reduce(0, +) == 5)
        let memory = try #require(object["memory"] as? [String: Any])
        // Stage 0: 7.5 + 15 + 2 + 16 x 1.6 + 2.5 + 3 = 55.6 GB, the fullest; the parts beside it sum to it.
        #expect(memory["peak_bytes"] as? Double == 55.6e9)
        #expect(memory["activations"] as? Double == 25.6e9)
        #expect((memory["by_stage"] as? [[String: Double]])?.count == 16)
        #expect(
            (object["run"] as? [String: Any])?["lost_s"] as? [String: Double] == [
                "failures": 3.6e5, "recomputed": 0, "checkpoints": 1.2e5, "restarts": 0, "preemptions": 0,
            ])
    }

    @Test("equal input gives equal bytes; several runs are a list")
    func deterministic() throws {
        #expect(try Fixture.report().json() == Fixture.report().json())
        let list =
            try JSONSerialization.jsonObject(with: Data(RunAnswer.json(of: [Fixture.report(), Fixture.report(name: "b")]).utf8))
            as? [[String: Any]]
        #expect(list?.map { $0["scenario"] as? String } == ["llama3-405b-16k", "b"])
    }

    @Test("a distribution of equal samples is a bare number; what JSON cannot hold is null")
    func degenerate() throws {
        var report = try Fixture.report()
        report.result.step.timeS = Distribution(2.5)
        report.result.step.mfu = .nan
        report.result.step.hfu = .infinity
        let text = report.json()
        #expect(text.contains("\"time_s\": 2.5,"))
        #expect(text.contains("\"mfu\": null,") && text.contains("\"hfu\": null,"))
        #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: Data(text.utf8)) }
    }

    static let shortest: [(Double, String)] = [
        (0.1, "0.1"), (1.0 / 3, "0.3333333333333333"), (5, "5"), (-0.0, "0"), (1e21, "1e+21"), (Double.leastNonzeroMagnitude, "5e-324"),
        (1e15 + 0.5, "1000000000000000.5"),
        (123_456_789_012, "123456789012"),
    ]

    @Test("numbers have the fewest digits that read back", arguments: ResultFileTests.shortest)
    func numbers(value: Double, text: String) throws {
        #expect(JSONValue.number(value).text(.compact) == text)
        #expect(Double(text) == value)
    }

    @Test("texts are escaped and read back as they were")
    func texts() throws {
        let nasty = "a\"b\\c\n\r\t\u{1}\u{7F}\u{2028}</script>é😀"
        for layout in [JSONValue.Layout.indented, .compact, .embedded] {
            let text = JSONValue.array([.string(nasty)]).text(layout)
            #expect(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String] == [nasty])
            #expect(layout != .embedded || !text.contains("<"))
        }
    }

    @Test("indented: a key a line, plain lists and objects in lists on one line")
    func indented() {
        let value = JSONValue.object([
            ("a", .array([.integer(1), .integer(2)])), ("b", .array([.object([("c", .null)])])), ("d", .object([])), ("e", .bool(true)),
        ])
        #expect(
            value.text() == """
                {
                  "a": [1, 2],
                  "b": [
                    {"c": null}
                  ],
                  "d": {},
                  "e": true
                }
                """)
        #expect(value.text(.compact) == #"{"a":[1,2],"b":[{"c":null}],"d":{},"e":true}"#)
    }
}

@Suite("CSV")
struct CSVTests {
    @Test("the header is stable and a row has as many cells; texts are quoted where needed")
    func rows() throws {
        var single = try Fixture.report(name: "a, \"b\"")
        single.result.step.timeS = Distribution(2.5)
        single.warnings = []
        single.result.warnings = []
        let lines = RunAnswer.csv(of: [single, try Fixture.report(name: "plain", stages: 2)]).split(separator: "\n")
        #expect(lines.count == 3)
        let header = lines[0].split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        #expect(
            Array(header.prefix(11)) == [
                "scenario", "hash", "version", "seed", "valid", "warnings", "step.time_s.mean", "step.time_s.p5", "step.time_s.p50",
                "step.time_s.p95",
                "step.time_s.n",
            ])
        #expect(header.last == "evidence.step_time_error" && Set(header).count == header.count)
        #expect(lines[1].hasPrefix("\"a, \"\"b\"\"\",1f3a9c5e77d20b64,0.1.0,1,true,,2.5,2.5,2.5,2.5,1,"))
        let cells = lines[2].split(separator: ",", omittingEmptySubsequences: false)
        #expect(cells.count == header.count)
        // Two stages: 7.5 + 15 + 2 + 3.2 + 2.5 + 3 and 6.5 + 13 + 2 + 1.6 + 2.5 + 3 GB.
        let column = try #require(header.firstIndex(of: "memory.by_stage"))
        #expect(cells[column] == "33200000000 28600000000")
    }
}

@Suite("Trace")
struct TraceTests {
    @Test("a process a stage, a thread a stream, microseconds with nanosecond digits")
    func golden() throws {
        var report = try Fixture.report()
        report.result.timeline = [
            Span(rank: 1, stream: "tensor", activity: .tensorComm, label: "all-reduce \"x\"", startNS: 1_000_001, durationNS: 20),
            Span(rank: 1, stream: "compute", activity: .forward, label: "F0", startNS: 1500, durationNS: 1_000_000),
        ]
        // 1500 ns = 1.500 us; 1,000,001 ns = 1000.001 us.
        #expect(
            String(decoding: report.trace(), as: UTF8.self) == """
                {"displayTimeUnit":"ms","otherData":{"scenario":"llama3-405b-16k","hash":"1f3a9c5e77d20b64","version":"0.1.0","seed":1},"traceEvents":[
                {"ph":"M","pid":1,"tid":1,"name":"process_name","args":{"name":"stage 1"}},
                {"ph":"M","pid":1,"tid":1,"name":"process_sort_index","args":{"sort_index":1}},
                {"ph":"M","pid":1,"tid":1,"name":"thread_name","args":{"name":"compute"}},
                {"ph":"M","pid":1,"tid":1,"name":"thread_sort_index","args":{"sort_index":1}},
                {"ph":"M","pid":1,"tid":2,"name":"thread_name","args":{"name":"tensor"}},
                {"ph":"M","pid":1,"tid":2,"name":"thread_sort_index","args":{"sort_index":2}},
                {"ph":"X","pid":1,"tid":1,"ts":1.500,"dur":1000.000,"cat":"forward","name":"F0"},
                {"ph":"X","pid":1,"tid":2,"ts":1000.001,"dur":0.020,"cat":"tensor_comm","name":"all-reduce \\"x\\""}
                ]}

                """)
    }

    @Test("an empty timeline is a valid trace")
    func empty() throws {
        var report = try Fixture.report()
        report.result.timeline = []
        let object = try JSONSerialization.jsonObject(with: Data(report.trace())) as? [String: Any]
        #expect((object?["traceEvents"] as? [Any])?.isEmpty == true)
    }

    @Test(
        "times are exact over the whole clock",
        arguments: [(Int64.max, "9223372036854775.807"), (-1, "-0.001"), (0, "0.000"), (999, "0.999")])
    func times(nanoseconds: Int64, text: String) { #expect(microseconds(nanoseconds) == text) }
}
