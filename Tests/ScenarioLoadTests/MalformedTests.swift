import Foundation
import TestSupport
import Testing

@testable import Scenario

/// One malformed scenario: the valid one with a text replaced, and where the fault must be reported.
struct Malformed: Sendable, CustomTestStringConvertible {
    var name: String
    var old: String
    var new: String
    var line: Int
    var column: Int
    var key: String
    /// Part of the suggestion.
    var advice: String
    init(_ name: String, _ old: String, _ new: String, at place: (Int, Int), _ key: String, _ advice: String) {
        (self.name, self.old, self.new, self.line, self.column, self.key, self.advice) = (name, old, new, place.0, place.1, key, advice)
    }
    var testDescription: String { name }
}

@Suite struct MalformedTests {
    /// Lines of the valid scenario: 2 model, 4 cluster, 5 gpu, 6 gpus, 7 layout, 8 tensor, 9 pipeline, 10 training, 11 global_batch, 12 micro_batch,
    /// 13 sequence, 14 precision, 15 recompute, 16 steps, 17 conditions, 18 jitter, 19 software, 21 prices, 22 gpu_hour, 23 simulate, 24 seed.
    static let keys: [Malformed] = [
        .init("unknown key at the top", "simulate:", "frobnicate:", at: (23, 1), "frobnicate", "model"),
        .init("typo of a section", "layout:", "layuot:", at: (7, 1), "layuot", "\"layout\""),
        .init("typo of a key", "tensor: 2", "tensr: 2", at: (8, 3), "layout.tensr", "\"tensor\""),
        .init("key of another section at the top", "orrery: 1", "global_batch: 64", at: (1, 1), "global_batch", "training.global_batch"),
        .init("typo in a nested mapping", "network: 2%", "netwerk: 2%", at: (18, 24), "conditions.jitter.netwerk", "\"network\""),
        .init("typo of a word", "recompute: none", "recompute: selektive", at: (15, 14), "training.recompute", "\"selective\""),
        .init("unknown format", "precision: bf16", "precision: bf17", at: (14, 14), "training.precision", "\"bf16\""),
        .init("unknown GPU", "h100-sxm-80gb", "h100-sxm-80g", at: (5, 8), "cluster.gpu", "h100-sxm-80gb"),
        .init("unknown model", "preset: tiny", "preset: tinny", at: (3, 11), "model.preset", "\"tiny\""),
        .init("version of the future", "orrery: 1", "orrery: 2", at: (1, 9), "orrery", "1"),
        .init("missing model", "model:\n  preset: tiny\n", "", at: (1, 1), "model", "model, cluster and training"),
        .init("empty model", "  preset: tiny\n", "", at: (2, 7), "model", "preset"),
        .init("missing batch", "  global_batch: 64\n", "", at: (11, 3), "training.global_batch", "write global_batch"),
        .init("missing GPU", "  gpu: h100-sxm-80gb\n", "", at: (5, 3), "cluster.gpu", "preset"),
        .init("key without a value", "steps: 100", "steps:", at: (16, 9), "training.steps", "write for instance"),
        .init("section that is a word", "layout:\n  tensor: 2\n  pipeline: 2", "layout: big", at: (7, 9), "layout", "tensor"),
        .init("section that is a list", "jitter: {kernel: 1%, network: 2%}", "jitter: [1%]", at: (18, 11), "conditions.jitter", "kernel"),
        .init("mapping for a number", "tensor: 2", "tensor: {x: 2}", at: (8, 11), "layout.tensor", "write for instance"),
        .init("both tokens and steps", "steps: 100", "steps: 100\n  tokens: 1G", at: (16, 3), "training.steps", "remove"),
        .init("gpus against nodes", "gpus: 16", "gpus: 16\n  nodes: 4", at: (6, 3), "cluster.gpus", "gpus: 32"),
        .init("mla without widths", "preset: tiny", "preset: tiny\n  attention: mla", at: (4, 14), "model.attention", "kv_rank"),
        .init(
            "window for full attention", "preset: tiny", "preset: tiny\n  attention: {kind: full, window: 9}", at: (4, 27),
            "model.attention.window", "kind: sliding"),
        .init("experts without width", "preset: tiny", "preset: tiny\n  moe: {experts: 8, active: 2}", at: (4, 8), "model.moe.ffn", "ffn"),
        .init(
            "slow GPUs of nothing", "jitter: {kernel: 1%, network: 2%}", "slow_gpus: [{slowdown: 2}]", at: (18, 15),
            "conditions.slow_gpus[0]", "gpu: 0"),
        .init(
            "slow GPU that is not there", "jitter: {kernel: 1%, network: 2%}", "slow_gpus: [{gpu: 16, slowdown: 2}]", at: (18, 15),
            "conditions.slow_gpus[0].gpu", "0 to 15"),
    ]
    static let moreKeys: [Malformed] = [
        .init("key of another section", "micro_batch: 2", "micro_batch: 2\n  zero: 1", at: (13, 3), "training.zero", "layout.zero"),
        .init("missing cluster", "cluster:\n  gpu: h100-sxm-80gb\n  gpus: 16\n", "", at: (1, 1), "cluster", "model, cluster and training"),
        .init("version that is no number", "orrery: 1", "orrery: one", at: (1, 9), "orrery", "1"),
    ]
    /// Keys of layouts; the valid scenario has 16 GPUs, tensor 2, pipeline 2, so 4 replicas and 8 micro-batches of 2.
    static let layouts: [Malformed] = [
        .init("schedule in words", "pipeline: 2", "pipeline: 2\n  schedule: dual-pipe", at: (10, 13), "layout.schedule", "dualpipe"),
        .init(
            "three chunks of a V", "pipeline: 2", "pipeline: 2\n  schedule: zb-v\n  virtual: 3", at: (11, 3), "layout.virtual", "virtual: 2"
        ),
        .init(
            "too few micro-batches for dualpipe", "pipeline: 2\ntraining:\n  global_batch: 64",
            "pipeline: 8\n  schedule: dualpipe\ntraining:\n  global_batch: 16", at: (12, 3), "training.global_batch",
            "another schedule"),
        .init("grid that is no square", "tensor: 2", "tensor: 2\n  tensor_algorithm: 2d", at: (8, 3), "layout.tensor", "1 or 4"),
        .init("depth of a plane", "tensor: 2", "tensor: 2\n  tensor_depth: 2", at: (9, 3), "layout.tensor_depth", "2.5d"),
        .init("unknown algorithm", "tensor: 2", "tensor: 2\n  tensor_algorithm: 3d", at: (9, 21), "layout.tensor_algorithm", "\"1d\""),
        .init("offload to nowhere", "pipeline: 2", "pipeline: 2\n  offload: {to: disk}", at: (10, 17), "layout.offload.to", "cpu"),
        .init(
            "offloaded replicas", "pipeline: 2", "pipeline: 2\n  offload: optimizer", at: (10, 3), "layout.offload", "write zero: 1"),
        .init(
            "parameters not in shards", "pipeline: 2", "pipeline: 2\n  offload: parameters\n  zero: 1", at: (10, 3), "layout.offload",
            "zero: 3"),
        .init("bucket in words", "pipeline: 2", "pipeline: 2\n  bucket: group", at: (10, 11), "layout.bucket", "80 GB"),
        .init("layers in words", "pipeline: 2", "pipeline: 2\n  stage_layers: balanced", at: (10, 17), "layout.stage_layers", "auto"),
        .init(
            "order without a ring", "pipeline: 2",
            "pipeline: 2\n  context: 2\n  context_exchange: all-to-all\n  context_order: contiguous", at: (12, 3), "layout.context_order",
            "remove"),
        .init(
            "modules and layers", "recompute: none", "recompute: {layers: 1, modules: [norms]}", at: (15, 14), "training.recompute",
            "remove"),
        .init("unknown module", "recompute: none", "recompute: {modules: [norm]}", at: (15, 25), "training.recompute.modules[0]", "norms"),
        .init("no modules", "recompute: none", "recompute: {modules: []}", at: (15, 14), "training.recompute", "modules"),
        .init(
            "format of activations", "precision: bf16", "precision: {activations: fp32}", at: (14, 28), "training.precision.activations",
            "fp16"),
        .init("pools beside a GPU", "gpus: 16", "gpus: 16\n  pools: [{gpu: a100-sxm-80gb, nodes: 1}]", at: (5, 3), "cluster.gpu", "remove"),
        .init(
            "pool without nodes", "gpu: h100-sxm-80gb\n  gpus: 16", "pools: [{gpu: h100-sxm-80gb}]", at: (5, 11), "cluster.pools[0].nodes",
            "nodes: 1"),
        .init(
            "pool of an unknown GPU", "gpu: h100-sxm-80gb\n  gpus: 16", "pools: [{gpu: h100-sxm-80g, nodes: 2}]", at: (5, 17),
            "cluster.pools[0].gpu", "h100-sxm-80gb"),
        .init("host without units", "gpus: 16", "gpus: 16\n  host: {memory: 512}", at: (7, 18), "cluster.host.memory", "80 GB"),
    ]
    static let values: [Malformed] = [
        .init("bare number for a price", "2.00 USD/h", "2.00", at: (22, 13), "prices.gpu_hour", "USD/h"),
        .init("wrong unit", "2.00 USD/h", "2.00 USD/kWh", at: (22, 13), "prices.gpu_hour", "USD/h"),
        .init("bits for bytes", "pipeline: 2", "pipeline: 2\n  bucket: 40 Mb", at: (10, 11), "layout.bucket", "MB"),
        .init("unit in the wrong case", "pipeline: 2", "pipeline: 2\n  bucket: 40 mb", at: (10, 11), "layout.bucket", "MB"),
        .init("bare number for bytes", "pipeline: 2", "pipeline: 2\n  bucket: 40", at: (10, 11), "layout.bucket", "80 GB"),
        .init("no bytes at all", "pipeline: 2", "pipeline: 2\n  bucket: 0 MB", at: (10, 11), "layout.bucket", "40 MB"),
        .init(
            "time for a bandwidth", "gpus: 16", "gpus: 16\n  storage: {write: 2 s}", at: (7, 20), "cluster.storage.write", "for instance"),
        .init("negative batch", "global_batch: 64", "global_batch: -64", at: (11, 17), "training.global_batch", "for instance"),
        .init("zero batch", "micro_batch: 2", "micro_batch: 0", at: (12, 16), "training.micro_batch", "for instance"),
        .init("fraction of a GPU", "gpus: 16", "gpus: 16.5", at: (6, 9), "cluster.gpus", "17"),
        .init("not a number", "kernel: 1%", "kernel: .nan", at: (18, 20), "conditions.jitter.kernel", "5%"),
        .init("NaN as a word", "kernel: 1%", "kernel: nan", at: (18, 20), "conditions.jitter.kernel", "5%"),
        .init("infinity", "global_batch: 64", "global_batch: .inf", at: (11, 17), "training.global_batch", "for instance"),
        .init("10^30 GPUs", "gpus: 16", "gpus: 1000000000000000000000000000000", at: (6, 9), "cluster.gpus", "for instance"),
        .init("10^30 tokens", "steps: 100", "tokens: 1e30", at: (16, 11), "training.tokens", "for instance"),
        .init("10^30 bytes", "pipeline: 2", "pipeline: 2\n  bucket: 1e30 B", at: (10, 11), "layout.bucket", "80 GB"),
        .init("negative price", "2.00 USD/h", "-2.00 USD/h", at: (22, 13), "prices.gpu_hour", "USD/h"),
        .init("negative jitter", "kernel: 1%", "kernel: -1%", at: (18, 20), "conditions.jitter.kernel", "1%"),
        .init(
            "yes for true", "pipeline: 2", "pipeline: 2\n  sequence_parallel: yes", at: (10, 22), "layout.sequence_parallel", "write true"),
        .init("list for a word", "precision: bf16", "precision: [bf16]", at: (14, 14), "training.precision", "bf16"),
        .init("negative seed", "seed: 7", "seed: -7", at: (24, 9), "simulate.seed", "1"),
    ]
    static let impossible: [Malformed] = [
        .init("degrees that do not divide the GPUs", "tensor: 2", "tensor: 3", at: (8, 3), "layout.tensor", "divides 16"),
        .init("data that does not fit", "tensor: 2", "tensor: 2\n  data: 3", at: (9, 3), "layout.data", "data: 4"),
        .init("batch that does not divide", "global_batch: 64", "global_batch: 63", at: (11, 3), "training.global_batch", "56 or 64"),
        .init("micro-batch that does not divide", "micro_batch: 2", "micro_batch: 3", at: (12, 3), "training.micro_batch", "divisor of 16"),
        .init("more tensor ranks than heads", "tensor: 2", "tensor: 16", at: (8, 3), "layout.tensor", "divisor of 8"),
        .init(
            "1f1b with chunks", "pipeline: 2", "pipeline: 2\n  virtual: 2\n  schedule: 1f1b", at: (11, 3), "layout.schedule", "interleaved"),
        .init(
            "interleaving that does not divide", "pipeline: 2\ntraining:\n  global_batch: 64",
            "pipeline: 2\n  virtual: 2\ntraining:\n  global_batch: 24", at: (12, 3), "training.global_batch", "x pipeline = 16"),
        .init("more stages than layers", "pipeline: 2", "pipeline: 2\n  virtual: 8", at: (10, 3), "layout.virtual", "at most 8"),
        .init(
            "stages that do not sum", "pipeline: 2", "pipeline: 2\n  stage_layers: [4, 5]", at: (10, 3), "layout.stage_layers", "sum to 8"),
        .init("experts without experts", "pipeline: 2", "pipeline: 2\n  expert: 2", at: (10, 3), "layout.expert", "model.moe"),
        .init("format that the GPU lacks", "h100-sxm-80gb", "v100-sxm-32gb", at: (14, 3), "training.precision", "fp16"),
        .init("half a node", "gpus: 16", "gpus: 20", at: (6, 3), "cluster.gpus", "16 or 24"),
        .init("tensor parallel CNN", "preset: tiny", "preset: resnet50", at: (8, 3), "layout.tensor", "tensor: 1"),
    ]
    static let compressions: [Malformed] = [
        ("no codec", "zip", (17, 16), "", "e4m3"), ("two selections", "{topk: 5%, randomk: 5%}", (17, 27), ".randomk", "keep one"),
        ("positions of nothing", "{values: e4m3, indices: raw}", (17, 31), ".indices", "topk"),
        ("quantised factors", "{powersgd: 4, values: e4m3}", (17, 30), ".values", "remove"),
        ("share above all", "[topk: 200%]", (17, 23), ".topk", "5%"), ("step without a key", "[topk]", (17, 17), "[0]", "[topk: 5%]"),
        ("a step twice", "[topk: 5%, topk: 6%]", (17, 27), ".topk", "remove one"),
        ("nothing", "{}", (17, 16), "", "topk, powersgd or values"),
        ("unknown key", "{topq: 5%}", (17, 17), ".topq", "\"topk\""),
        ("scales of fp32", "{topk: 5%, block: 64}", (17, 27), ".block", "remove"),
        ("rank of nothing", "{powersgd: 0}", (17, 27), ".powersgd", "4"), ("a number", "5%", (17, 16), "", "{topk: 5%"),
    ].map { name, value, place, key, advice in
        Malformed(name, "steps: 100", "steps: 100\n  compression: \(value)", at: place, "training.compression\(key)", advice)
    }
    static let unavailable: [Malformed] = [
        .init("co-simulation", "seed: 7", "seed: 7\ncosim: {task: markov-lm}", at: (25, 15), "cosim.task", "keys"),
        .init(
            "staleness below 0", "steps: 100", "steps: 100\n  synchronization: {kind: async, staleness: -2}", at: (17, 45),
            "training.synchronization.staleness", "8"),
        .init(
            "ring", "steps: 100", "steps: 100\n  synchronization: {kind: sync, algorithm: ring}", at: (17, 33),
            "training.synchronization.algorithm", "auto"),
        .init(
            "failure without a rate", "jitter:", "failures: {causes: [{name: gpu}]}\n  jitter:", at: (18, 23),
            "conditions.failures.causes[0].mtbf", "60000 h"),
        .init("fleet that nobody knows", "jitter:", "failures: llama3-2042\n  jitter:", at: (18, 13), "conditions.failures", "llama3-2024"),
        .init(
            "spot without a rate", "jitter:", "spot: {trace: nowhere.csv}\n  jitter:", at: (18, 17), "conditions.spot.trace",
            "check the path"),
        .init("network model", "seed: 7", "seed: 7\n  network: flows", at: (25, 12), "simulate.network", "flow"),
        .init(
            "slow link by name without flows", "jitter: {kernel: 1%, network: 2%}", "slow_links: [{link: leaf 0 to spine 1, slowdown: 2}]",
            at: (18, 16), "conditions.slow_links[0].link", "network: flow"),
        .init(
            "slow link of two kinds", "jitter: {kernel: 1%, network: 2%}", "slow_links: [{node: 0, gpu: 3, slowdown: 2}]", at: (18, 16),
            "conditions.slow_links[0]", "node: 0"),
        .init(
            "slow port that is not there", "jitter: {kernel: 1%, network: 2%}", "slow_links: [{gpu: 16, slowdown: 2}]", at: (18, 16),
            "conditions.slow_links[0].gpu", "0 to 15"),
        .init(
            "flow on a torus", "gpus: 16", "gpus: 16\n  inter_node: {topology: {kind: torus, oversubscription: 2}}", at: (7, 27),
            "cluster.inter_node.topology.kind", "fat_tree"),
        .init(
            "too few tiers for flows", "gpus: 16",
            "gpus: 16\n  inter_node: {topology: {levels: 2, radix: 2, rails: 1, oversubscription: 2}}", at: (7, 27),
            "cluster.inter_node.topology.levels", "radix"),
        .init("target loss without a law", "steps: 100", "target_loss: 1.9", at: (16, 3), "training.target_loss", "loss_law: chinchilla"),
        .init(
            "oversubscription", "gpus: 16", "gpus: 16\n  inter_node: {topology: {oversubscription: 0.5}}", at: (7, 45),
            "cluster.inter_node.topology.oversubscription", "1.0"),
    ]
    static let syntax: [Malformed] = [
        .init("tab", "  tensor: 2", "\ttensor: 2", at: (8, 1), "layout.tensor", "tab"),
        .init("open bracket", "{kernel: 1%, network: 2%}", "{kernel: 1%, network: 2%", at: (18, 11), "conditions.jitter", "bracket"),
        .init("duplicate key", "pipeline: 2", "pipeline: 2\n  tensor: 4", at: (8, 3), "layout.tensor", "keep one"),
        .init("two documents", "simulate:", "---\nsimulate:", at: (23, 1), "", "one document"),
        .init("colon in a text", "framework: megatron-lm", "framework: megatron: lm", at: (20, 22), "software.framework", "quotes"),
        .init("undefined alias", "gpus: 16", "gpus: *many", at: (6, 9), "cluster.gpus", "anchor"),
        .init("key that is a list", "gpus: 16", "gpus: 16\n  [a, b]: 3", at: (7, 3), "cluster", "plain words"),
    ]

    @Test(arguments: keys + moreKeys + compressions + layouts + values + impossible + unavailable + syntax)
    func isReportedAtItsPlace(_ malformed: Malformed) throws {
        try #require(Fixture.valid.contains(malformed.old))
        let errors = Fixture.errors(Fixture.valid.replacing(malformed.old, with: malformed.new, maxReplacements: 1))
        let found = errors.contains {
            $0.line == malformed.line && $0.column == malformed.column && $0.keyPath == malformed.key
                && $0.suggestion.contains(malformed.advice)
        }
        if ProcessInfo.processInfo.environment["ORRERY_SHOW"] != nil { print(errors.map { "SHOW \($0)" }.joined(separator: "\n")) }
        #expect(found, "\(errors.map(\.description))")
        #expect(!errors.contains { $0.suggestion.isEmpty || $0.reason.isEmpty })
    }

    @Test func thereAreEnough() {
        let all =
            Self.keys + Self.moreKeys + Self.compressions + Self.layouts + Self.values + Self.impossible + Self.unavailable + Self.syntax
        #expect(all.count >= 40 && Set(all.map(\.name)).count == all.count)
    }

    /// Files that are no texts, or texts that attack the reader.
    @Test func filesThatAreNoScenarios() throws {
        try Fixture.withFolder { folder in
            func fault(_ data: Data) throws -> ScenarioError {
                let path = folder.appendingPathComponent("x.yaml")
                try data.write(to: path)
                do throws(ScenarioErrors) {
                    _ = try Scenario.load(path: path.path, library: Fixture.library)
                } catch {
                    let first = try #require(error.errors.first)
                    #expect(!first.suggestion.isEmpty && first.file == path.path)
                    return first
                }
                throw CancellationError()
            }
            #expect(try fault(Data()).reason == "the file is empty")
            #expect(try fault(Data("# only a comment\n".utf8)).reason == "the file is empty")
            #expect(try fault(Data("- 1\n- 2\n".utf8)).reason == "the file holds no mapping of keys")
            let binary = try fault(Data("model:\n  \u{0}".utf8))
            #expect(binary.reason.contains("binary") && binary.line == 2 && binary.column == 3)
            let latin = try fault(Data("a: 1\nname: ".utf8) + [0xE9, 0x0A])
            #expect(latin.reason.contains("UTF-8") && latin.line == 2 && latin.column == 7)
            #expect(try fault(Data("name: \u{1}\n".utf8)).reason.contains("not YAML"))
            #expect(try fault(Data(String(repeating: "[", count: 100_000).utf8)).reason.contains("not YAML"))
            #expect(try fault(Data(String(repeating: "- ", count: 100_000).utf8)).reason.contains("not YAML"))
            #expect(
                try fault(Data(("a: " + String(repeating: "[", count: 60) + String(repeating: "]", count: 60)).utf8)).reason.contains(
                    "nesting"))
            #expect(try fault(Data(String(repeating: "a: 1\n", count: 190_000).utf8)).reason.contains("twice"))
        }
    }

    @Test func missingUnreadableAndDirectories() throws {
        try Fixture.withFolder { folder in
            func reason(_ name: String) -> String {
                do {
                    _ = try Scenario.load(path: folder.appendingPathComponent(name).path, library: Fixture.library)
                    return ""
                } catch { return error.errors[0].description }
            }
            try "x".write(to: folder.appendingPathComponent("real.yaml"), atomically: true, encoding: .utf8)
            #expect(reason("reel.yaml").hasSuffix("there is no such file; did you mean \"real.yaml\"?"))
            #expect(reason(".").contains("this is a directory"))
        }
    }

    @Test func aHugeFileIsRefusedByItsSize() throws {
        try Fixture.withFolder { folder in
            let path = folder.appendingPathComponent("huge.yaml")
            _ = FileManager.default.createFile(atPath: path.path, contents: nil)
            let handle = try FileHandle(forWritingTo: path)
            try handle.truncate(atOffset: 100_000_000)
            try handle.close()
            let start = ContinuousClock.now
            #expect(throws: ScenarioErrors.self) { try Scenario.load(path: path.path, library: Fixture.library) }
            #expect(ContinuousClock.now - start < .seconds(1))
            #expect(throws: ScenarioErrors.self) { try Scenario.load(path: "/dev/zero", library: Fixture.library) }
        }
    }

    /// Lists of `width` aliases of the list before, `depth` deep: `width`^`depth` values when expanded.
    private static func laughs(depth: Int, width: Int) -> String {
        var lines = ["a0: &a0 [x]"]
        for level in 1..<depth {
            let aliases = Array(repeating: "*a\(level - 1)", count: width).joined(separator: ", ")
            lines.append("a\(level): &a\(level) [\(aliases)]")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// A billion laughs as values, and as keys of a mapping (which a parser compares).
    @Test(arguments: [
        laughs(depth: 12, width: 9), laughs(depth: 40, width: 2) + "? *a39\n: 1", laughs(depth: 40, width: 2) + "*a39 : 1",
        laughs(depth: 40, width: 2) + "[*a39, *a39]: 1",
    ])
    func bombsAreRefusedFast(_ bomb: String) {
        let start = ContinuousClock.now
        let errors = Fixture.errors(bomb)
        #expect(!errors.isEmpty && errors.allSatisfy { !$0.suggestion.isEmpty })
        #expect(ContinuousClock.now - start < .seconds(5))
    }

    @Test func anchorsMayBeUsedSparingly() throws {
        let text = Fixture.valid.replacing("gpus: 16", with: "gpus: &n 16").replacing("steps: 100", with: "steps: *n")
        #expect(try Fixture.load(text).job.training.length == .steps(16))
    }

    /// Random edits of a valid file: whatever they make of it, the answer is a scenario or faults with a place.
    @Test func randomMutationsNeverCrash() {
        let seed: UInt64 = 20_261_121
        print("seed of the mutations: \(seed)")
        var random = TestDraws(seed: seed)
        func next(_ bound: Int) -> Int { random.below(bound) }
        let pieces = [
            "{", "}", "[", "]", ":", "- ", "&a ", "*a", "!!int ", "|\n", "> ", "\t", "\"", "'", "#", "---\n", "...", "\n", "  ", "-1",
            "1e30", ".nan", "~", "0", "9999999999", "é", "\u{1F600}", "%", "? ", ", ", "<<: ", "extends: ", "vary: {", "true", "none",
        ]
        var faulty = 0
        for _ in 0..<2000 {
            var scalars = Array(Fixture.valid.unicodeScalars)
            for _ in 0...next(4) {
                let at = next(scalars.count)
                switch next(4) {
                case 0: scalars.removeSubrange(at..<min(scalars.count, at + 1 + next(8)))
                case 1: scalars.insert(contentsOf: Array(pieces[next(pieces.count)].unicodeScalars), at: at)
                case 2: scalars[at] = Array("abcdefg0123456789:- {}[]\n".unicodeScalars)[next(25)]
                default:
                    let from = next(scalars.count)
                    scalars.insert(contentsOf: Array(scalars[from..<min(scalars.count, from + next(40))]), at: at)
                }
            }
            var text = String.UnicodeScalarView()
            text.append(contentsOf: scalars)
            let errors = Fixture.errors(String(text))
            faulty += errors.isEmpty ? 0 : 1
            for error in errors where error.line < 1 || error.column < 1 || error.reason.isEmpty || error.suggestion.isEmpty {
                Issue.record("\(error) lacks a place, a reason or a suggestion")
            }
        }
        #expect(faulty > 1000, "most mutations should break the file")
    }
}
