//! A loaded model: its template, its vocabulary, its limits.

use std::{path::Path, time::SystemTime};

use llama_cpp_2::{
    llama_backend::LlamaBackend,
    model::{LlamaModel, params::LlamaModelParams},
    token::LlamaToken,
};

use super::special::{self, SpecialTexts};
use crate::{
    Error, ModelInfo, Prepared, Result,
    openai::{ChatRequest, Message},
    protocol::LoadOptions,
    scheduler::Token,
    template::ChatTemplate,
};

/// The context of a request when nobody says otherwise: enough for a chat, and cheap.
const DEFAULT_CONTEXT_TOKENS: u32 = 2048;
const MIN_CONTEXT_TOKENS: u32 = 64;

pub(super) struct Model {
    pub(super) llama: LlamaModel,
    pub(super) info: ModelInfo,
    template: Result<ChatTemplate>,
    special: SpecialTexts,
    longest_token_bytes: usize,
    bos: Option<Token>,
}

impl Model {
    pub(super) fn load(backend: &LlamaBackend, options: &LoadOptions) -> Result<Self> {
        let path = Path::new(&options.path);
        if !path.is_file() {
            return Err(load_failed(format!("there is no file {}", path.display())));
        }
        let llama = LlamaModel::load_from_file(backend, path, &LlamaModelParams::default())
            .map_err(|_| load_failed("it isn't a GGUF model that llama.cpp knows"))?;
        let vocab = llama.vocab();
        let template = llama
            .chat_template(None)
            .map_err(|_| Error::NoChatTemplate)
            .and_then(|template| compile(&llama, &template.to_string().unwrap_or_default()));
        let piece_bytes = |token| vocab.token_to_piece(token, true, None).len();
        Ok(Self {
            info: info(&llama, path, options.context_tokens, template.is_ok())?,
            template,
            special: SpecialTexts::of(&vocab),
            longest_token_bytes: vocab.tokens().map(piece_bytes).max().unwrap_or(1).max(1),
            bos: vocab.should_add_bos().then(|| vocab.bos().0),
            llama,
        })
    }

    /// The tokens of a request's prompt.
    pub(super) fn prompt(&self, request: &ChatRequest) -> Result<Vec<Token>> {
        let template = self.template.as_ref().map_err(Clone::clone)?;
        let defused: Vec<Message> = request
            .messages
            .iter()
            .map(|message| Message::new(message.role, self.special.defuse(&message.content)))
            .collect();
        let prompt = template.render(&defused, SystemTime::now())?;
        self.tokenize(&prompt)
    }

    fn tokenize(&self, prompt: &str) -> Result<Vec<Token>> {
        let context_tokens = self.info.context_tokens;
        let too_long = |prompt_tokens: usize| Error::ContextLengthExceeded {
            prompt_tokens: u32::try_from(prompt_tokens).unwrap_or(u32::MAX),
            context_tokens,
        };
        // Some tokenizers are slow on large inputs, and this one couldn't fit anyway.
        let tokens_at_least = prompt.len() / self.longest_token_bytes;
        if tokens_at_least > context_tokens as usize {
            return Err(too_long(tokens_at_least));
        }
        let vocab = self.llama.vocab();
        let mut tokens = Vec::new();
        for piece in special::pieces(prompt) {
            vocab.tokenize_into(piece.as_bytes(), &mut tokens, false, true);
        }
        let mut tokens: Vec<Token> = tokens.into_iter().map(|token| token.0).collect();
        // Most templates write the first token themselves.
        if let Some(bos) = self.bos.filter(|bos| tokens.first() != Some(bos)) {
            tokens.insert(0, bos);
        }
        match tokens.len() {
            0 => Err(Error::TemplateFailed {
                message: "it made an empty prompt".to_owned(),
            }),
            count if count >= context_tokens as usize => Err(too_long(count)),
            _ => Ok(tokens),
        }
    }

    /// The size of a request with this prompt, which fits.
    pub(super) fn measure(&self, request: &ChatRequest, prompt: &[Token]) -> Prepared {
        let context_tokens = self.info.context_tokens;
        let prompt_tokens = u32::try_from(prompt.len()).unwrap_or(u32::MAX);
        let room = context_tokens.saturating_sub(prompt_tokens);
        Prepared {
            prompt_tokens,
            context_tokens,
            max_tokens: request
                .wanted_tokens()
                .map_or(room, |wanted| wanted.min(room)),
        }
    }

    /// The bytes of a token, or `None` if the model says that it has finished.
    pub(super) fn piece(&self, token: LlamaToken) -> Option<Vec<u8>> {
        let vocab = self.llama.vocab();
        (!vocab.is_eog(token)).then(|| vocab.token_to_piece(token, false, None))
    }
}

fn compile(llama: &LlamaModel, source: &str) -> Result<ChatTemplate> {
    let vocab = llama.vocab();
    let text = |token: LlamaToken| {
        let known = token.0 >= 0 && token.0 < vocab.n_tokens();
        let bytes = known.then(|| vocab.token_to_piece(token, true, None));
        String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
    };
    ChatTemplate::new(source, &text(vocab.bos()), &text(vocab.eos()))
}

fn info(
    llama: &LlamaModel,
    path: &Path,
    context_tokens: Option<u32>,
    has_chat_template: bool,
) -> Result<ModelInfo> {
    let trained_context_tokens = llama.n_ctx_train();
    if trained_context_tokens < MIN_CONTEXT_TOKENS {
        return Err(load_failed("it says that it has no context"));
    }
    let file_name = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = llama.meta_val_str("general.name").unwrap_or_default();
    Ok(ModelInfo {
        name: if name.is_empty() {
            file_name.into_owned()
        } else {
            name
        },
        context_tokens: context_tokens
            .unwrap_or(DEFAULT_CONTEXT_TOKENS)
            .clamp(MIN_CONTEXT_TOKENS, trained_context_tokens),
        trained_context_tokens,
        parameters: llama.n_params(),
        size_bytes: llama.size(),
        has_chat_template,
    })
}

pub(super) fn load_failed(message: impl Into<String>) -> Error {
    let message = message.into();
    Error::ModelLoadFailed { message }
}
