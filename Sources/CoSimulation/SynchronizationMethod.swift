import Training

/// How workers come to common parameters.
public enum SynchronizationMethod: Sendable, Equatable {
    /// All gradients of a step are averaged. Of the workers the `backup` slowest are not waited for (Chen et al., arXiv:1604.00981); with
    /// `balance` each worker's share of the batch follows its own speed.
    case synchronous(backup: Int = 0, balance: Bool = false)
    /// Every gradient changes the shared parameters as it arrives. With a bound none is applied more than so many updates after the version it
    /// was computed from: who could break that waits before it starts (stale synchronous parallel, Ho et al. 2013); 0 is sequential.
    case asynchronous(bound: Int? = nil, compensation: DelayCompensation = .none)
    /// Workers step on their own and meet now and then (local SGD, arXiv:1805.09767; with an outer optimizer DiLoCo, arXiv:2311.08105).
    /// The workers of a group stay synchronous.
    case local(period: LocalPeriod, outer: OuterStep? = nil, groups: [[Int]]? = nil)
    /// A server sends its model to some of many clients, each of which trains on data of its own (arXiv:1602.05629, arXiv:1812.06127).
    case federated(Federation)
    /// Small tensors are averaged in every step, large ones are sent in the background and arrive `delay` steps later.
    case grouped(delay: Int = 1)
}

public enum LocalPeriod: Sendable, Equatable {
    case steps(Int)
    /// As many steps as make communication this share of the time.
    case share(Double)
}

/// What is done with the mean change of the workers: Nesterov's momentum with this rate.
public struct OuterStep: Sendable, Equatable {
    public var rate: Double
    public var momentum: Double
    public init(rate: Double = 0.7, momentum: Double = 0.9) {
        self.rate = rate
        self.momentum = momentum
    }
    /// A rate of 1 without momentum puts the mean in the place of the parameters.
    var isPlain: Bool { rate == 1 && momentum == 0 }
}

public struct Federation: Sendable, Equatable {
    public var clients: Int
    public var perRound: Int
    /// Passes over a client's own samples in a round.
    public var epochs: Int
    /// FedProx's mu.
    public var proximal: Double
    /// Of a client's own data.
    public var samplesPerClient: Int
    public init(clients: Int, perRound: Int, epochs: Int = 1, proximal: Double = 0, samplesPerClient: Int) {
        self.clients = clients
        self.perRound = perRound
        self.epochs = epochs
        self.proximal = proximal
        self.samplesPerClient = samplesPerClient
    }
}
