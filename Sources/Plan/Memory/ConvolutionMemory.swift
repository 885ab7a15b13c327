import Calibration
import Cluster
import Workload

/// Memory of a ResNet of bottleneck blocks (He et al., arXiv:1512.03385, table 1).
///
/// Each convolution's output is kept twice, as the input of its batch norm and, normalised, as the input of what follows (the rectifier works in place).
struct ConvolutionMemory {
    /// Parameters: convolutions without biases, batch norms with two vectors, the classifier with 1000 classes.
    private(set) var parameters = 0.0
    /// Elements kept for a picture.
    private(set) var elements = 0.0

    init(depth: Int, imageSize: Int, groups: Int = 1, groupWidth: Int = 64) {
        let blocks = depth >= 152 ? [3, 8, 36, 3] : depth >= 101 ? [3, 4, 23, 3] : [3, 4, 6, 3]
        var side = imageSize / 2 + imageSize % 2
        var channels = 64
        elements += 3 * Double(imageSize) * Double(imageSize)
        add(kernel: 7, from: 3, to: 64, side: side)
        side = (side + 1) / 2
        elements += 64 * Double(side) * Double(side)
        for (stage, count) in blocks.enumerated() {
            let width = 64 << stage
            let inner = width * groupWidth * max(1, groups) / 64
            for block in 0..<count {
                let before = side
                if stage > 0, block == 0 { side = (side + 1) / 2 }
                add(kernel: 1, from: channels, to: inner, side: before)
                add(kernel: 3, from: inner / max(1, groups), to: inner, side: side)
                add(kernel: 1, from: inner, to: 4 * width, side: side)
                if block == 0 { add(kernel: 1, from: channels, to: 4 * width, side: side) }
                channels = 4 * width
            }
        }
        parameters += Double(channels * 1000 + 1000)
    }

    private mutating func add(kernel: Int, from: Int, to: Int, side: Int) {
        parameters += Double(kernel * kernel * from * to + 2 * to)
        elements += 2 * Double(to) * Double(side) * Double(side)
    }

    func stage(_ job: Job, capacity: Double) -> MemoryEstimate.Stage {
        var stage = MemoryEstimate.Stage()
        let traits = MemoryTraits(job)
        let bytes = job.precision.activationBytes
        let replicas = Double(max(1, min(job.data, job.layout.shardGroup ?? job.data)))
        func cut(_ level: Int) -> Double { job.layout.zero >= level ? replicas : 1 }
        stage.parameters = bytes * parameters / cut(3)
        stage.gradients = bytes * parameters / cut(2)
        stage.optimizer = ((bytes < 4 ? 4 : 0) + job.stateBytesPerParameter) * parameters / cut(1)
        stage.activations = bytes * elements * Double(job.training.microBatch)
        // Reduction buckets hold one more copy of the gradients; cuDNN picks algorithms with up to about 1 GB of workspace.
        stage.buffers = (job.data > 1 ? bytes * parameters : 0) + 0.5e9
        stage.buffers += job.training.compression?.memoryBytes(elements: parameters, job: job) ?? 0
        stage.context = traits.stack.context
        stage.fragmentation = stage.context + min(max(0, capacity - stage.total - stage.context), traits.stack.slack * stage.activations)
        return stage
    }
}
