import Kernels
import Training

extension ProxySpec {
    /// The task in single precision on this machine's cores.
    /// - Throws: `CoSimulationError` where task and model do not fit each other.
    public func singlePrecision() throws(CoSimulationError) -> any LearningTask<Float> {
        if case .noisyQuadratic(let curvature, let deviation, let start) = task {
            return QuadraticTask<Float>(NoisyQuadratic(curvature: curvature, deviation: deviation), start: start)
        }
        do { return try learner(on: CPUBackend(threads: 1)) } catch { throw Self.named(error) }
    }

    /// The task in double precision; models on plain loops, which are slow.
    /// - Throws: as `singlePrecision()`.
    public func doublePrecision() throws(CoSimulationError) -> any LearningTask<Double> {
        if case .noisyQuadratic(let curvature, let deviation, let start) = task {
            return QuadraticTask<Double>(NoisyQuadratic(curvature: curvature, deviation: deviation), start: start)
        }
        do { return try learner(on: ReferenceBackend()) } catch { throw Self.named(error) }
    }

    private static func named(_ error: any Error) -> CoSimulationError {
        if let error = error as? CoSimulationError { return error }
        let text = (error as? TrainingError)?.message ?? "\(error)"
        return CoSimulationError("cosim.model", text, "change cosim.model or cosim.task")
    }

    private func learner<B: Backend>(on backend: B) throws -> any LearningTask<B.Scalar> where B.Scalar: TrainingScalar {
        switch task {
        case .noisyQuadratic: throw CoSimulationError("cosim.model", "the noisy quadratic has no model", "remove cosim.model")
        case .teacherStudent(let inputs, let hidden, let classes, let noise):
            guard case .mlp(let own)? = model ?? .mlp(hidden: hidden) else {
                throw CoSimulationError("cosim.model.kind", "the student of teacher-student is a perceptron", "write kind: mlp")
            }
            let teacher = try TeacherStudent(sizes: [inputs] + hidden + [classes], labelNoise: noise, seed: seed)
            return try ModelTask(teacher: teacher, student: MLP(sizes: [inputs] + own + [classes]), on: backend, seed: seed)
        case .markov(let vocabulary, let sharpness):
            let chain = try MarkovSource(vocabulary: vocabulary, sharpness: sharpness, seed: seed)
            return try phased(ModelTask(transformer(vocabulary), markov: chain, on: backend, seed: seed))
        case .text(let bytes):
            let text = try TextSource(bytes ?? SampleText.make())
            return try phased(ModelTask(transformer(text.vocabulary), text: text, on: backend))
        case .images(let images):
            let pixels = images.inputs.count / max(1, images.labels.count)
            let classes = (images.labels.max() ?? 0) + 1
            if case .mlp(let hidden)? = model ?? .mlp(hidden: [64]) {
                return try ModelTask(MLP(sizes: [pixels] + hidden + [classes]), images: images, on: backend) { $0 }
            }
            guard case .cnn(let channels)? = model else {
                throw CoSimulationError("cosim.model.kind", "images are learnt by a perceptron or a CNN", "write kind: cnn")
            }
            let side = Int(Double(pixels).squareRoot().rounded())
            return try ModelTask(
                CNN(side: side, inputChannels: 1, channels: channels, classes: classes), images: images, on: backend
            ) { $0 }
        }
    }

    private func phased<B: Backend>(_ task: ModelTask<GPT, B>) throws -> ModelTask<GPT, B> {
        phases.isEmpty ? task : try task.phased(phases)
    }

    private func transformer(_ vocabulary: Int) throws -> GPT {
        let usual = Model.gpt(layers: 2, hidden: 32, heads: 2, sequence: 32, experts: nil, keptKeys: nil)
        guard case .gpt(let layers, let hidden, let heads, let sequence, let experts, let keptKeys) = model ?? usual else {
            throw CoSimulationError("cosim.model.kind", "sequences are learnt by a transformer", "write kind: gpt")
        }
        var gpt = try GPT(vocabulary: vocabulary, length: sequence, width: hidden, heads: heads, layers: layers)
        gpt.keptKeys = keptKeys
        if let experts { gpt.router = try ExpertRouter(experts: experts.count, active: experts.active) }
        return gpt
    }
}
