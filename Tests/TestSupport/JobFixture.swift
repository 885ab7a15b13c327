import Calibration
import Cluster
import Plan
import Workload

/// A training job as tests want one: a preset under Megatron-LM on nodes of H100, ZeRO-1, sixteen sequences of 2,048 tokens a replica.
public struct JobFixture: Sendable {
    public var preset: String
    public var tensor: Int
    public var pipeline: Int
    public var data: Int
    public var perNode: Int
    public var hardware = "h100-sxm-80gb"
    public var network = "ib-ndr-400g-x8"

    public init(_ preset: String = "llama2-7b", tensor: Int = 1, pipeline: Int = 1, data: Int = 1, perNode: Int = 8) {
        (self.preset, self.tensor, self.pipeline, self.data, self.perNode) = (preset, tensor, pipeline, data, perNode)
    }

    public func job(_ change: (inout Job) throws -> Void = { _ in }) throws -> Job {
        let cluster = try ClusterSpec.measured(
            hardware: hardware, gpus: tensor * pipeline * data, gpusPerNode: perNode, interNode: network
        ).spec
        var layout = Layout()
        (layout.tensor, layout.pipeline, layout.sequenceParallel, layout.zero) = (tensor, pipeline, tensor > 1, 1)
        var training = TrainingSpec()
        (training.globalBatch, training.sequence) = (16 * data, 2048)
        var job = Job(
            model: try Architecture.preset(preset), cluster: cluster, layout: layout, training: training,
            software: SoftwareStack(framework: "megatron-lm"))
        try change(&job)
        return job
    }
}
