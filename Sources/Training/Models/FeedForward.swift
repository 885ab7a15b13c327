/// The second half of a transformer block: two linear layers with GELU between, or a mixture of such experts.
struct FeedForward {
    /// Parameters of one expert, from the index given: inner weight, inner bias, outer weight, outer bias.
    static let tensorsPerExpert = 4

    /// y = W2 gelu(W1 x + b1) + b2, with what the backward pass needs.
    struct Expert {
        let x: [Double]
        let inner: [Double]
        let active: [Double]
        let output: [Double]

        init(_ x: [Double], _ parameters: [Tensor<Double>], at first: Int) {
            self.x = x
            inner = Dense.linear(x, parameters[first], parameters[first + 1].values)
            active = inner.map(Activation.gelu.value)
            output = Dense.linear(active, parameters[first + 2], parameters[first + 3].values)
        }

        func backward(_ dy: [Double], _ parameters: [Tensor<Double>], at first: Int, _ gradients: inout [[Double]]) -> [Double] {
            var dw = gradients[first + 2]
            var flow = Dense.linearBackward(dy, x: active, w: parameters[first + 2], dw: &dw, db: &gradients[first + 3])
            gradients[first + 2] = dw
            for i in flow.indices { flow[i] *= Activation.gelu.derivative(inner[i]) }
            dw = gradients[first]
            flow = Dense.linearBackward(flow, x: x, w: parameters[first], dw: &dw, db: &gradients[first + 1])
            gradients[first] = dw
            return flow
        }
    }

    /// Tokens gathered for each expert, and their weighted sum scattered back. The gate is the tensor before the experts'.
    struct Mixture {
        let routing: ExpertRouter.Routing
        let output: [Double]
        private let router: ExpertRouter
        private let x: [Double]
        private let experts: [Expert]
        /// Tokens of each expert and the slot in their routing [experts][tokens].
        private let members: [[(token: Int, slot: Int)]]

        init(_ x: [Double], _ parameters: [Tensor<Double>], gate: Int, router: ExpertRouter) throws(TrainingError) {
            let width = parameters[gate].shape[1]
            let logits = Dense.linear(x, parameters[gate], nil)
            let rows = x.count / width
            let routing = try router.route((0..<rows).map { Array(logits[$0 * router.experts..<($0 + 1) * router.experts]) })
            var members = [[(token: Int, slot: Int)]](repeating: [], count: router.experts)
            for token in 0..<rows { for (slot, expert) in routing.experts[token].enumerated() { members[expert].append((token, slot)) } }
            var y = [Double](repeating: 0, count: x.count)
            var run: [Expert] = []
            for expert in 0..<router.experts {
                let gathered = members[expert].flatMap { x[$0.token * width..<($0.token + 1) * width] }
                let result = Expert(gathered, parameters, at: gate + 1 + expert * FeedForward.tensorsPerExpert)
                for (row, member) in members[expert].enumerated() {
                    let weight = routing.weights[member.token][member.slot]
                    for j in 0..<width { y[member.token * width + j] += weight * result.output[row * width + j] }
                }
                run.append(result)
            }
            self.routing = routing
            self.router = router
            self.x = x
            self.members = members
            experts = run
            output = y
        }

        func backward(_ dy: [Double], _ parameters: [Tensor<Double>], gate: Int, _ gradients: inout [[Double]]) -> [Double] {
            let width = parameters[gate].shape[1]
            var dx = [Double](repeating: 0, count: x.count)
            var weightGradients = routing.weights.map { [Double](repeating: 0, count: $0.count) }
            for expert in experts.indices {
                var flow: [Double] = []
                for (row, member) in members[expert].enumerated() {
                    var dot = 0.0
                    for j in 0..<width {
                        flow.append(routing.weights[member.token][member.slot] * dy[member.token * width + j])
                        dot += experts[expert].output[row * width + j] * dy[member.token * width + j]
                    }
                    weightGradients[member.token][member.slot] = dot
                }
                guard !flow.isEmpty else { continue }
                let back = experts[expert].backward(flow, parameters, at: gate + 1 + expert * FeedForward.tensorsPerExpert, &gradients)
                for (row, member) in members[expert].enumerated() {
                    for j in 0..<width { dx[member.token * width + j] += back[row * width + j] }
                }
            }
            let logits = router.logitGradients(routing, weightGradients: weightGradients).flatMap { $0 }
            var dw = gradients[gate]
            Double.axpy(&dx, Dense.linearBackward(logits, x: x, w: parameters[gate], dw: &dw), 1)
            gradients[gate] = dw
            return dx
        }
    }
}
