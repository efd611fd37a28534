//! A bare hyper server on one thread: what a complete HTTP implementation without JavaScript comes to.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;

use bytes::Bytes;
use ferrohttp_bench_native::{Kind, Spec, start};
use futures_util::stream;
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONNECTION, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, server::conn::http1};
use hyper_util::rt::TokioIo;

const CHUNK: usize = 64 * 1024;

type Chunks = stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>>;
type Body = Either<Full<Bytes>, StreamBody<Chunks>>;

/// The spec in hyper's own types.
struct Answer {
    spec: Spec,
    body: Bytes,
    fields: Vec<(HeaderName, HeaderValue)>,
}

impl Answer {
    async fn to(&self, request: Request<Incoming>) -> Result<Response<Body>, hyper::Error> {
        let body = match self.spec.kind {
            Kind::Echoed => request.into_body().collect().await?.to_bytes(),
            Kind::Counted => {
                let (mut body, mut length) = (request.into_body(), 0);
                while let Some(frame) = body.frame().await {
                    length += frame?.data_ref().map_or(0, Bytes::len);
                }
                length.to_string().into()
            }
            Kind::Fixed if !self.spec.looked_at.is_empty() => {
                let is_as_said = |(name, value): &&(String, String)| {
                    let found = request.headers().get(name.as_str());
                    found.is_some_and(|found| found == value.as_str())
                };
                let seen = self.spec.looked_at.iter().filter(is_as_said).count();
                format!("{seen} fields").into()
            }
            Kind::Fixed | Kind::Streamed => self.body.clone(),
        };
        if self.spec.later {
            tokio::task::yield_now().await;
        }
        let mut response = Response::new(if self.spec.kind == Kind::Streamed {
            let pieces: Vec<_> = (0..body.len())
                .step_by(CHUNK)
                .map(|at| Ok(Frame::data(body.slice(at..body.len().min(at + CHUNK)))))
                .collect();
            Either::Right(StreamBody::new(stream::iter(pieces)))
        } else {
            Either::Left(Full::new(body))
        });
        for (name, value) in &self.fields {
            response.headers_mut().insert(name, value.clone());
        }
        if self.spec.close {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        Ok(response)
    }
}

async fn serve(answer: Rc<Answer>, listener: TcpListener) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let answer = answer.clone();
        tokio::task::spawn_local(async move {
            let service = service_fn(|request| answer.to(request));
            // A client that goes away is no concern of the server's: the load generator counts what it misses.
            let _ = http1::Builder::new()
                .pipeline_flush(true)
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
    }
}

fn main() -> io::Result<()> {
    let (spec, listener) = start()?;
    let fields = spec.fields.iter().map(|(name, value)| {
        let name = name.parse::<HeaderName>().map_err(io::Error::other)?;
        Ok((name, value.parse().map_err(io::Error::other)?))
    });
    let answer = Answer {
        fields: fields.collect::<io::Result<_>>()?,
        body: spec.body.clone().into(),
        spec,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    tokio::task::LocalSet::new().block_on(&runtime, serve(Rc::new(answer), listener))
}
