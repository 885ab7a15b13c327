import Kernels

/// The second half of a transformer block: two linear layers with GELU between, or a mixture of such experts.
struct FeedForward {
    /// Parameters of one expert, from the index given: inner weight, inner bias, outer weight, outer bias.
    static let tensorsPerExpert = 4

    /// y = W2 gelu(W1 x + b1) + b2, with what the backward pass needs.
    struct Expert<B: Backend>: Sendable where B.Scalar: TrainingScalar {
        let x: [B.Scalar]
        let inner: [B.Scalar]
        let active: [B.Scalar]
        /// May be taken out: the backward pass of a dense block does not need it.
        var output: [B.Scalar]

        init(_ x: [B.Scalar], _ parameters: [Tensor<B.Scalar>], at first: Int, on backend: B) {
            self.x = x
            inner = Dense.linear(x, parameters[first], parameters[first + 1].values, on: backend)
            active = Activation.gelu.value(inner, on: backend)
            output = Dense.linear(active, parameters[first + 2], parameters[first + 3].values, on: backend)
        }

        func backward(
            _ dy: [B.Scalar], _ parameters: [Tensor<B.Scalar>], at first: Int, _ gradients: inout GradientSums<B>, on backend: B
        ) -> [B.Scalar] {
            var flow = Dense.linearBackward(dy, x: active, parameters, at: .init(parameters, first + 2), &gradients, on: backend)
            Activation.gelu.backward(inner, &flow, on: backend)
            return Dense.linearBackward(flow, x: x, parameters, at: .init(parameters, first), &gradients, on: backend)
        }
    }

    /// Tokens gathered for each expert, and their weighted sum scattered back. The gate is the tensor before the experts'.
    struct Mixture<B: Backend>: Sendable where B.Scalar: TrainingScalar {
        let routing: ExpertRouter.Routing
        /// May be taken out.
        var output: [B.Scalar]
        private let router: ExpertRouter
        private let x: [B.Scalar]
        private let experts: [Expert<B>]
        /// Tokens of each expert and the slot in their routing [experts][tokens].
        private let members: [Members]

        private struct Members: Sendable {
            var tokens: [Int] = []
            var slots: [Int] = []
            func weights(_ routing: ExpertRouter.Routing) -> [Double] { zip(tokens, slots).map { routing.weights[$0][$1] } }
        }

        init(_ x: [B.Scalar], _ parameters: [Tensor<B.Scalar>], gate: Int, router: ExpertRouter, on backend: B) throws(TrainingError) {
            let width = parameters[gate].shape[1]
            let logits = backend.doubles(Dense.linear(x, parameters[gate], nil, on: backend))
            let rows = x.count / width
            let routing = try router.route((0..<rows).map { Array(logits[$0 * router.experts..<($0 + 1) * router.experts]) })
            var members = [Members](repeating: Members(), count: router.experts)
            for token in 0..<rows {
                for (slot, expert) in routing.experts[token].enumerated() {
                    members[expert].tokens.append(token)
                    members[expert].slots.append(slot)
                }
            }
            var y = backend.zeros(x.count)
            var run: [Expert<B>] = []
            for (expert, member) in members.enumerated() {
                var gathered = backend.uninitialized(member.tokens.count * width)
                backend.gather(x, member.tokens, width: width, into: &gathered)
                let result = Expert(gathered, parameters, at: gate + 1 + expert * FeedForward.tensorsPerExpert, on: backend)
                run.append(result)
                guard !member.tokens.isEmpty else { continue }
                var weighted = backend.uninitialized(result.output.count)
                backend.copy(result.output, into: &weighted)
                backend.scaleRows(&weighted, by: backend.converted(member.weights(routing)))
                backend.scatterAdd(weighted, member.tokens, width: width, into: &y)
            }
            self.routing = routing
            self.router = router
            self.x = x
            self.members = members
            experts = run
            output = y
        }

        func backward(
            _ dy: [B.Scalar], _ parameters: [Tensor<B.Scalar>], gate: Int, _ gradients: inout GradientSums<B>, on backend: B
        ) -> [B.Scalar] {
            let width = parameters[gate].shape[1]
            var dx = backend.zeros(x.count)
            var weightGradients = routing.weights.map { [Double](repeating: 0, count: $0.count) }
            for (expert, member) in members.enumerated() where !member.tokens.isEmpty {
                var flow = backend.uninitialized(member.tokens.count * width)
                backend.gather(dy, member.tokens, width: width, into: &flow)
                var dots = backend.uninitialized(member.tokens.count)
                backend.rowDots(experts[expert].output, flow, into: &dots)
                for (row, dot) in backend.doubles(dots).enumerated() { weightGradients[member.tokens[row]][member.slots[row]] = dot }
                backend.scaleRows(&flow, by: backend.converted(member.weights(routing)))
                let first = gate + 1 + expert * FeedForward.tensorsPerExpert
                let back = experts[expert].backward(flow, parameters, at: first, &gradients, on: backend)
                backend.scatterAdd(back, member.tokens, width: width, into: &dx)
            }
            let logits = backend.converted(router.logitGradients(routing, weightGradients: weightGradients).flatMap { $0 })
            let layer = Dense.LinearLayer(parameters, gate, biased: false)
            backend.add(Dense.linearBackward(logits, x: x, parameters, at: layer, &gradients, on: backend), into: &dx)
            return dx
        }
    }
}
