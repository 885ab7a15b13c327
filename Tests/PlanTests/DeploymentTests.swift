import Calibration
import Cluster
import TestSupport
import Testing
import Workload

@testable import Plan

@Suite("A model on its machines")
struct DeploymentTests {
    private func job() throws -> Job { try JobFixture(tensor: 4, pipeline: 2, data: 2).job() }

    /// What a micro-batch of training costs in a layer, asked of the machine part alone.
    @Test("ops cost the same whatever the deployment is used for")
    func withoutTraining() throws {
        let job = try job()
        let data = try CalibrationData.shipped()
        let plan = try job.plan(data)
        let behaviour = data.stacks.behaviour(of: job.software, on: job.cluster.accelerator, isMoE: false, precision: .bf16)
        let model = CostModel(
            job.deployment, behaviour: behaviour,
            constants: data.profiles.constants(for: ProfileKey(cluster: job.cluster, behaviour: behaviour), priors: data.priors),
            groups: try GroupShapes(job.deployment))
        let sharding = job.deployment.sharding(samples: 1, sequence: 2048)
        let ops = job.model.layer(job.model.variant(at: 0), sharding: sharding).ops
        let layer = try #require(plan.work.units.firstIndex { $0 == .layer(job.model.variant(at: 0)) })
        #expect(ops == plan.work.ops[layer])
        let cost = model.cost(of: ops)
        let expected = plan.model.cost(of: plan.work.ops[layer])
        #expect(cost.forward == expected.forward && cost.backward == expected.backward && cost.weight == expected.weight)
        // A batch of decoded tokens is the same kind of question: one token of 64 sequences.
        let decoding = job.model.layer(job.model.variant(at: 0), sharding: job.deployment.sharding(samples: 64, sequence: 1)).ops
        let step = model.cost(of: decoding).forward
        #expect(step.total > 0 && step.total < cost.forward.total)
    }

    @Test("every activity has a lane of its own")
    func lanes() {
        #expect(Set(Activity.allCases.map(\.lane)).count == Activity.allCases.count)
        #expect(Activity.allCases.allSatisfy { $0.lane < ActivitySeconds.capacity })
    }

    @Test("the stacks' table says what a framework keeps in memory, by its name, another name of it, or a part of the name")
    func memoryOfStacks() throws {
        let expected: [(String, StackMemory.Family, Double)] = [
            ("megatron-lm", .megatron, 2e9), ("Megatron-Core", .megatron, 2e9), ("deepspeed", .deepspeed, 3e9),
            ("torchtitan", .fsdp, 1.5e9),
            ("mosaic", .fsdp, 1.5e9), ("maxtext", .xla, 1e9), ("something else", .megatron, 2e9),
        ]
        for (name, family, context) in expected {
            let memory = StackTable.memory(of: name)
            #expect(memory.family == family && memory.context == context, "\(name)")
        }
        #expect(StackTable.memory(of: "nemo").gradientBytes == 2 && StackTable.memory(of: "megatron-lm").gradientBytes == 4)
        #expect(StackTable.memory(of: "torchtitan").repeatsHalf)
        var pipelined = try job()
        pipelined.software = SoftwareStack(framework: "deepspeed")
        #expect(!pipelined.allowsSharding(2, pipeline: 2) && pipelined.allowsSharding(2, pipeline: 1))
    }
}
