import Calibration
import Cluster
import Compression
import Plan
import Testing
import Training
import Workload

/// What the simulator charges for optimizers and codecs is what the code that runs states.
@Suite struct DemandTests {
    private func job(_ kind: OptimizerKind) throws -> Job {
        var job = try MemoryStateTests.job(gpus: 8, framework: "megatron-lm")
        job.training.optimizer = kind
        return job
    }

    @Test(arguments: OptimizerKind.allCases) func memoryIsWhatTheOptimizerHolds(_ kind: OptimizerKind) throws {
        func held<R: UpdateRule>(_ rule: R) -> Double {
            let optimizer = Optimizer(rule, shapes: [[4096, 4096]])
            let bytes = optimizer.state.tensors.reduce(0) { sum, tensor in
                sum + tensor.real.reduce(0) { $0 + MemoryLayout<R.Scalar>.size * $1.count } + tensor.coded.reduce(0) { $0 + $1.count }
            }
            return Double(bytes) / Double(4096 * 4096)
        }
        let demand = OptimizerDemand(kind, model: try job(kind).model)
        #expect(demand.stateBytes == held(kind.rule))
        let cost = kind.rule.cost(for: [4096, 4096])
        #expect(demand.updateBytes * 4096 * 4096 == cost.bytes)
        // fp16 weights, gradients and master copy take 2 + 4 + 4 bytes; the difference between optimizers is their state.
        let states = try MemoryStateTests.states(try job(kind)) - MemoryStateTests.states(try job(.sgd))
        let parameters = try MemoryStateTests.states(try job(.adamw)) - MemoryStateTests.states(try job(.sgd))
        #expect(abs(states / (parameters / 8) - demand.stateBytes) < 1e-9)
    }

    /// By hand, bytes a parameter: AdamW reads p, g, m, v and writes p, m, v; momentum reads p, g, b and writes p, b; the norm reads g.
    @Test func updatesByHand() throws {
        let model = try job(.adamw).model
        #expect(OptimizerDemand(.adamw, model: model).updateBytes == 28)
        #expect(OptimizerDemand(.momentum, model: model).updateBytes == 20)
        #expect(OptimizerDemand(.sgd, model: model).updateBytes == 12)
        #expect(OptimizerDemand(.lion, model: model).clipBytes == 4)
        // Muon: five times 4 m^3 + 2 m^3 of an m x m matrix, 30 m a parameter.
        #expect(OptimizerDemand(.muon, model: model).productFLOPs == 30 * 4096)
        #expect(OptimizerDemand(.lamb, model: model).productFLOPs == 0)
    }

    @Test func slowerRulesTakeLonger() throws {
        func seconds(_ kind: OptimizerKind, _ codec: (any GradientCodec)? = nil) throws -> StageCosts {
            var job = try job(kind)
            job.training.compression = try codec.map { try GradientCompression($0) }
            return try job.plan(try CalibrationData.shipped()).costs
        }
        let adam = try seconds(.adamw).optimizer[0]
        #expect(try seconds(.sgd).optimizer[0] < adam && seconds(.lamb).optimizer[0] > adam && seconds(.muon).optimizer[0] > 2 * adam)
        // Compression: fewer bytes on the network, more time on the device.
        let plain = try seconds(.adamw)
        for codec: any GradientCodec in [
            ErrorFeedback(try SparseCodec(.top(.share(0.01)), values: BlockQuantizer(.e4m3, block: 256))), try PowerSGD(rank: 4),
            try BlockQuantizer(.int8, block: 256), Bfloat16Codec(),
        ] {
            let costs = try seconds(.adamw, codec)
            #expect(costs.optimizer[0] > adam, "\(codec.name)")
            if codec.encodedSize(count: 1 << 20).most < 1 << 21 { #expect(costs.data[0].reduce < plain.data[0].reduce, "\(codec.name)") }
        }
    }

    /// The bytes charged are those of the real message.
    @Test func sizesComeFromTheCodec() throws {
        let quantised = try GradientCompression(BlockQuantizer(.e4m3, block: 256))
        // 12 + 4096 scales + 2^20 codes of a 1024 x 1024 gradient.
        #expect(quantised.bytesPerElement(side: 1024) == Double(12 + 4096 + (1 << 20)) / Double(1 << 20))
        // 8 + 12 + 4 rank (rows + columns).
        #expect(try GradientCompression(PowerSGD(rank: 4)).bytesPerElement(side: 1024) == Double(20 + 16 * 2048) / Double(1 << 20))
        let sparse = try GradientCompression(SparseCodec(.top(.share(0.05)), values: BlockQuantizer(.e4m3, block: 256)))
        // 5% of the elements with one byte each, a scale for 256 and 6 to 10 bits of position.
        #expect((0.05 * (1 + 0.75)...0.05 * (1.01 + 1.25)).contains(sparse.bytesPerElement(side: 1024)))
    }

    @Test func memoryAndRefusals() throws {
        var job = try job(.adamw)
        let before = try #require(MemoryEstimate(job: job).stages.first)
        job.training.compression = try GradientCompression(ErrorFeedback(try SparseCodec(.top(.share(0.05)))))
        let after = try #require(MemoryEstimate(job: job).stages.first)
        let parameters = before.parameters / 2
        #expect(after.buffers - before.buffers > 4 * parameters && after.buffers - before.buffers < 4 * parameters + 1e9)
        job.precision = PrecisionPolicy(compute: .bf16)
        #expect(job.problems().isEmpty)
        job.layout.zero = 2
        job.precision.reduce = .bf16
        #expect(job.problems().map(\.keyPath) == ["training.compression", "training.precision.reduce"])
    }
}
