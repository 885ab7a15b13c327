import Calibration
import Cluster
import Compression
import Plan
import Quantities
import Testing
import Workload

@testable import Simulation

/// The closed form's account of a step's bytes against the flows that are played for it.
@Suite("Bytes of a step")
struct TrafficTests {
    struct Kind: Sendable, CustomTestStringConvertible {
        var name: String
        var tensor = 2
        var pipeline = 4
        var data = 4
        var model = "llama2-7b"
        var change: @Sendable (inout Job) -> Void = { _ in }
        var testDescription: String { name }

        func job() throws -> Job {
            var job = try flowJob(tensor: tensor, pipeline: pipeline, data: data)
            job.model = try Architecture.preset(model)
            change(&job)
            return job
        }
    }

    static let kinds: [Kind] = [
        Kind(name: "1f1b"),
        Kind(name: "gpipe") { $0.layout.schedule = .gpipe },
        Kind(name: "interleaved") { ($0.layout.schedule, $0.layout.virtual) = (.interleaved, 2) },
        Kind(name: "zb-1p") {
            $0.layout.schedule = .zb1p
            $0.software = SoftwareStack(framework: "megatron-lm-zero-bubble")
        },
        Kind(name: "zb-v") { $0.layout.schedule = .zbV },
        Kind(name: "dualpipe") { $0.layout.schedule = .dualpipe },
        Kind(name: "dualpipev") { $0.layout.schedule = .dualpipeV },
        Kind(name: "deepspeed") { $0.software = SoftwareStack(framework: "megatron-deepspeed") },
        Kind(name: "no pipeline", pipeline: 1),
        Kind(name: "fsdp", tensor: 1, pipeline: 1, data: 16) { $0.software = SoftwareStack(framework: "torchtitan") },
        Kind(name: "fsdp sharded in nodes", tensor: 1, pipeline: 1, data: 16) { $0.software = SoftwareStack(framework: "fms-fsdp") },
        Kind(name: "context", pipeline: 2, data: 4) {
            $0.layout.context = 2
            $0.cluster.gpus *= 2
        },
        Kind(name: "experts", pipeline: 2, data: 8, model: "mixtral-8x7b") { $0.layout.expert = 4 },
        Kind(name: "2d grid", tensor: 4, pipeline: 2) {
            $0.layout.tensorAlgorithm = .twoD
            $0.layout.sequenceParallel = false
            $0.training.microBatch = 2
        },
        Kind(name: "2.5d grid", tensor: 8, pipeline: 2) {
            ($0.layout.tensorAlgorithm, $0.layout.tensorDepth) = (.twoAndHalfD, 2)
            $0.layout.sequenceParallel = false
            $0.training.microBatch = 4
        },
        Kind(name: "full recomputation") { $0.training.recompute = .full },
        Kind(name: "some layers recomputed") { $0.training.recompute = .layers(3) },
        Kind(name: "half of the products recomputed", tensor: 2, pipeline: 1, data: 8) {
            $0.training.recompute = .selective
            $0.software = SoftwareStack(framework: "torchtitan")
        },
        Kind(name: "buckets by size") { $0.layout.bucketing = .groups },
        Kind(name: "one GPU a replica", tensor: 1, pipeline: 1, data: 8),
    ]

    /// Bytes of all flows of a step by group, mean over the GPUs, without playing them.
    private func flowBytes(_ plan: Plan) throws -> [TrafficGroup: Double] {
        let player = try StepPlayer(plan: plan, lanes: 1)
        let flows = try StepFlows(plan: plan, graph: player.graph, times: player.times)
        var sums: [TrafficGroup: Double] = [:]
        for index in flows.templateOf where index >= 0 {
            for segment in flows.templates[Int(index)].segments where segment.pattern >= 0 {
                let raw = flows.fabric.raw[segment.pattern]
                sums[flows.fabric.keys[segment.pattern].group, default: 0] +=
                    segment.bytes * (raw.inside + raw.outside) / Double(plan.job.cluster.gpus)
            }
        }
        return sums
    }

    private func compare(_ plan: Plan, _ what: String) throws {
        let flows = try flowBytes(plan)
        let closed = try plan.sentBytes().mapValues { $0.inside + $0.network }
        for group in TrafficGroup.allCases {
            let (a, b) = (closed[group] ?? 0, flows[group] ?? 0)
            #expect(abs(a - b) <= 1e-9 * max(a, b), "\(what), \(group): \(a) in closed form, \(b) as flows")
        }
    }

    @Test("closed bytes are flow bytes, whatever the step, sharding, shard group and format", arguments: kinds)
    func agreement(kind: Kind) throws {
        var tried = 0
        for zero in 0...3 {
            for shardGroup in [nil, 4] where shardGroup == nil || zero > 0 {
                for reduce in [nil, Precision.fp32] {
                    var job = try kind.job()
                    job.layout.zero = zero
                    job.layout.shardGroup = shardGroup
                    job.precision.reduce = reduce
                    guard job.allowsSharding(zero, pipeline: job.layout.pipeline) else { continue }
                    try compare(
                        job.plan(CalibrationData.shipped()),
                        "\(kind.name), ZeRO-\(zero) in \(shardGroup ?? 0), \(String(describing: reduce))")
                    tried += 1
                }
            }
        }
        #expect(tried >= 6)
    }

    @Test("and whatever codec the gradients pass", arguments: [0, 1], ["1f1b", "deepspeed", "fsdp", "experts", "dualpipe"])
    func compressed(zero: Int, name: String) throws {
        let kind = try #require(Self.kinds.first { $0.name == name })
        let codecs: [any GradientCodec] = try [
            IdentityCodec(), Bfloat16Codec(), PowerSGD(rank: 4), BlockQuantizer(.int8, block: 256),
            ErrorFeedback(SparseCodec(.top(.share(0.05)), values: BlockQuantizer(.e4m3, block: 256))),
        ]
        for codec in codecs {
            var job = try kind.job()
            job.layout.zero = zero
            job.training.compression = try GradientCompression(codec)
            try compare(job.plan(CalibrationData.shipped()), "\(name), ZeRO-\(zero), \(codec.name)")
        }
    }

    /// Llama 2 7B, 6.74e9 parameters. Tensor 2 x pipeline 4 x data 4: a GPU holds an eighth, and 3/4 of a buffer crosses each link of a ring of four.
    /// megatron-deepspeed all-reduces fp32 under ZeRO-1 and gathers 16-bit parameters: (2 x 4 + 2) x 3/4 x 6.74e9 / 8 = 6.32 GB.
    /// Tensor 1 x pipeline 4 x data 8 of Megatron-LM with fp32 reduction: (4 + 2) x 7/8 x 6.74e9 / 4 = 8.85 GB.
    @Test("bytes of the data-parallel group by hand, in closed form and as flows")
    func byHand() throws {
        func bytes(_ job: Job, _ network: NetworkModel) throws -> Double {
            try #require(simulate(job.plan(CalibrationData.shipped()), settings: flowSettings(network)).traffic.byGroup["data"])
        }
        let deepspeed = try flowJob { $0.software = SoftwareStack(framework: "megatron-deepspeed") }
        let wide = try flowJob(tensor: 1, data: 8) { $0.precision.reduce = .fp32 }
        for network in [NetworkModel.alphaBeta, .flow] {
            #expect(abs(try bytes(deepspeed, network) / 6.32e9 - 1) < 0.002)
            #expect(abs(try bytes(wide, network) / 8.85e9 - 1) < 0.002)
        }
        // Sixteen replicas in shard groups of eight: 15/16 of the parameters cross a ring of sixteen, 7/8 one of eight and 1/8 x 2 x 1/2 between two groups.
        let sharded = try flowJob(tensor: 1, pipeline: 1, data: 16) {
            ($0.layout.zero, $0.software) = (2, SoftwareStack(framework: "megatron-lm"))
            $0.training.globalBatch = 16
        }
        var grouped = sharded
        grouped.layout.shardGroup = 8
        let parameters = Double(sharded.model.parameters.total)
        for network in [NetworkModel.alphaBeta, .flow] {
            #expect(abs(try bytes(sharded, network) / (parameters * (2 + 2) * 15 / 16) - 1) < 1e-6)
            #expect(abs(try bytes(grouped, network) / (parameters * (2 * 7 / 8 + 2 * 7 / 8 + 2.0 / 8)) - 1) < 1e-6)
        }
    }
}
